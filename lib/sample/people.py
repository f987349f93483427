"""Who makes the sample calls and what for: made-up people and programs with habits of their own, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lib.usage import Source

Hours = tuple[float, ...]
"""How busy each hour of a local day is, from midnight on."""

OFFICE: Hours = (0.0,) * 6 + (0.1, 0.4, 1.6, 2.4, 2.6, 2.3, 1.2, 1.9, 2.4, 2.3, 1.9, 1.1, 0.4, 0.15, 0.1, 0.05, 0.0, 0.0)
EVENING: Hours = (0.3, 0.1) + (0.0,) * 6 + (0.3, 0.6, 0.7, 0.8, 0.5, 0.6, 0.8, 0.8, 0.9, 0.9, 0.8, 1.0, 1.9, 2.3, 2.0, 0.9)
ALWAYS: Hours = (0.35, 0.3, 0.3, 0.3, 0.35, 0.45, 0.6, 0.9) + (1.3,) * 10 + (1.1, 0.9, 0.8, 0.7, 0.55, 0.4)
NIGHTLY: Hours = (0.0, 0.4, 6.0, 5.0, 1.2) + (0.0,) * 19


@dataclass(frozen=True, slots=True)
class UseCase:
    """A kind of work: token counts are medians of the first turn, ``spread`` the sigma of their logarithms.

    ``prefix`` tokens of instructions stand before every conversation of this kind. ``turns`` is the mean number of
    turns, ``pause_s`` the median pause between two.
    """

    source: Source
    input: int
    output: int
    spread: float
    prefix: int = 0
    turns: float = 1.0
    pause_s: float = 3.0
    cache: Literal["5m", "1h"] = "5m"
    streamed: float = 1.0
    tool_calls: float = 0.0


CHAT = UseCase("playground", 220, 340, 0.9, prefix=450, turns=4.2, pause_s=48)
DRAFT = UseCase("playground", 900, 820, 0.7, prefix=450, turns=2.4, pause_s=95)
ANALYSIS = UseCase("playground", 6_500, 700, 0.8, prefix=450, turns=3.2, pause_s=80)
CODE = UseCase("cli", 5_200, 620, 0.9, prefix=3_200, turns=6.5, pause_s=22, tool_calls=0.45)
AGENT = UseCase("api", 2_400, 310, 0.8, prefix=6_400, turns=7.0, pause_s=2.5, cache="1h", streamed=0.4, tool_calls=0.7)
SUPPORT = UseCase("api", 480, 260, 0.6, prefix=4_800, turns=2.6, pause_s=65, cache="1h")
CLASSIFY = UseCase("api", 380, 9, 0.5, prefix=1_300, streamed=0.0)
EXTRACT = UseCase("api", 2_600, 240, 0.6, prefix=2_100, streamed=0.0)
ARCHIVE = UseCase("api", 78_000, 1_100, 0.75, prefix=700, streamed=0.0)
KEY_TEST = UseCase("test", 14, 3, 0.1)


@dataclass(frozen=True, slots=True)
class Person:
    """Someone, or a program, that calls models.

    ``share`` is how much of an average busy hour is theirs, ``weekend`` how much of it is left on Saturday and Sunday.
    ``uses`` and ``models`` carry weights; ``keys`` are the providers for which they have a key of their own.
    """

    user_id: str
    name: str
    share: float
    hours: Hours
    weekend: float
    uses: tuple[tuple[UseCase, float], ...]
    models: tuple[tuple[str, float], ...]
    keys: tuple[str, ...] = ()


def _id(number: int) -> str:
    return f"5a3b1e00-0000-4000-8000-{number:012d}"


PEOPLE = (
    Person(
        *(_id(1), "Ada Sample", 1.0, OFFICE, 0.05),
        ((CHAT, 3), (ANALYSIS, 2), (KEY_TEST, 0.3)),
        (("sample-quill-medium", 4), ("sample-quill-large", 2), ("sample-lantern-pro", 2)),
    ),
    Person(
        *(_id(2), "Bram Sample", 1.3, OFFICE, 0.1),
        ((CODE, 5), (CHAT, 1)),
        (("sample-quill-large", 2), ("sample-quill-medium", 4), ("sample-tide-coder", 2)),
    ),
    Person(
        *(_id(3), "Chidi Sample", 0.7, EVENING, 1.1),
        ((CODE, 4), (CHAT, 2)),
        (("sample-tide-coder", 4), ("sample-quill-medium", 2), ("sample-ember-classic", 3)),
        ("sample-tidepool",),
    ),
    Person(
        *(_id(4), "Dora Sample", 0.9, OFFICE, 0.02),
        ((DRAFT, 4), (CHAT, 3)),
        (("sample-lantern-pro", 4), ("sample-quill-small", 2), ("sample-ember-preview", 1.2)),
    ),
    Person(
        *(_id(5), "Emre Sample", 0.6, OFFICE, 0.08),
        ((ANALYSIS, 4), (DRAFT, 1)),
        (("sample-lantern-think", 5), ("sample-basalt-xl", 2), ("sample-quill-large", 1)),
        ("sample-lanternworks",),
    ),
    Person(
        *(_id(6), "Fenna Sample", 0.8, OFFICE, 0.05),
        ((CHAT, 4), (DRAFT, 2)),
        (("sample-lantern-mini", 3), ("sample-ember-classic", 4), ("sample-quill-small", 2)),
    ),
    Person(
        *(_id(7), "Goro Sample", 0.35, EVENING, 1.4),
        ((CHAT, 3), (ANALYSIS, 1)),
        (("sample-basalt-flash", 3), ("sample-tide-72b", 3), ("sample-lantern-mini", 1)),
    ),
    Person(
        *(_id(8), "Support desk (sample)", 1.5, ALWAYS, 0.45),
        ((SUPPORT, 1),),
        (("sample-quill-small", 5), ("sample-quill-medium", 2), ("sample-lantern-mini", 2)),
    ),
    Person(
        *(_id(9), "Ticket sorter (sample)", 1.2, ALWAYS, 0.4),
        ((CLASSIFY, 3), (EXTRACT, 1)),
        (("sample-tide-9b", 4), ("sample-basalt-flash", 3), ("sample-tide-72b", 2), ("sample-ember-classic", 1)),
    ),
    Person(
        *(_id(10), "Nightly report (sample)", 0.8, NIGHTLY, 0.7),
        ((EXTRACT, 6), (ARCHIVE, 1)),
        (("sample-basalt-xl", 3), ("sample-basalt-flash", 3), ("sample-lantern-mini", 2)),
    ),
    Person(
        *(_id(11), "Research agent (sample)", 0.7, ALWAYS, 0.5),
        ((AGENT, 1),),
        (("sample-quill-large", 3), ("sample-quill-medium", 3), ("sample-lantern-think", 2)),
    ),
)
