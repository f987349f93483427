"""The pure values of a chat: what is asked, the events that come back, and their fold into one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lib.errors import StreamTruncated

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "filtered", "other"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of plain text inside a message."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image inside a message: its bytes with a media type, or a URL the provider fetches itself."""

    media_type: str = "image/png"
    data: bytes | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Reasoning to hand back to the provider; ``opaque`` is its own signed form, kept untouched."""

    text: str = ""
    opaque: Any = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for; ``arguments`` is a mapping, or the raw string when it is not JSON."""

    id: str
    name: str
    arguments: Mapping[str, Any] | str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call with this id."""

    call_id: str
    content: str
    is_error: bool = False


Part = Text | Image | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; ``content`` is a string or a sequence of parts."""

    role: Role
    content: str | Sequence[Part]

    @property
    def parts(self) -> Sequence[Part]:
        """The content as parts, a plain string being one text."""
        return (Text(self.content),) if isinstance(self.content, str) else self.content


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; ``parameters`` is its JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to ask for; ``model`` is the provider's own id for it.

    ``response_format`` is None, "json", or a JSON schema mapping. ``extra`` fields are sent as they are.
    """

    model: str
    messages: Sequence[Message]
    system: str | None = None
    tools: Sequence[Tool] = ()
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    response_format: str | Mapping[str, Any] | None = None
    tool_choice: str | None = None
    reasoning_effort: str | None = None
    stop: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of visible reasoning, or an opaque block of it."""

    text: str = ""
    opaque: Any = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, normalised.

    ``input`` counts all input with cache reads and writes inside it; ``output`` has reasoning inside it;
    ``cache_write_1h`` is the part of ``cache_write`` kept for an hour. ``extra`` counts billed units that are
    not tokens, such as searches and images.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cache_write_1h: int = 0
    extra: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event: why the model stopped, and the model id the provider says answered."""

    reason: FinishReason
    model: str | None = None


Event = TextDelta | ReasoningDelta | ToolCall | Usage | Finish


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer; ``usage`` is None when the provider reported none."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    finish_reason: FinishReason = "other"
    model: str | None = None


def fold(events: Iterable[Event]) -> Completion:
    """Gather a stream's events into one completion; raise StreamTruncated when no Finish came."""
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    usage: Usage | None = None
    finish: Finish | None = None
    for event in events:
        match event:
            case TextDelta():
                text.append(event.text)
            case ReasoningDelta():
                reasoning.append(event.text)
            case ToolCall():
                calls.append(event)
            case Usage():
                usage = event
            case Finish():
                finish = event
    if finish is None:
        raise StreamTruncated
    return Completion("".join(text), "".join(reasoning), tuple(calls), usage, finish.reason, finish.model)
