"""Fallbacks from end to end: real adapters over real sockets, what the caller is told, what the ledger and the hints keep."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lib.access import LOCAL_ADMIN
from lib.chat import Message, TextDelta
from lib.errors import NoCandidateLeft, ProviderError, StreamTruncated
from lib.routing import Deadlines, Notice, Router, SqlHints
from lib.services import ChatCall, Services, open_services
from lib.settings import load_settings
from lib.store.schema import hint_events, model_compatibility_hints
from lib.store.usage_tables import llm_usage_log
from lib.usage import Attempt
from tests.providers.hostile import HostileServer, Peer, head
from tests.replay import TEXT, Received, ReplayServer, Reply, openai_stream

HELLO = [Message("user", "Why is water wet?")]
KEY = "sk-test-0123456789abcdefghijklmnop"
DESK_MODELS = {"openai": "first", "groq": "second", "anthropic": "third"}
NAMES = {"first": "First", "second": "Second", "third": "Third"}
ONLY_RESPONSES = "This model is only supported in v1/responses and not in v1/chat/completions."
RENAME = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."


class Moody(ReplayServer):
    """Plays its script first, and answers as providers do from then on."""

    def __init__(self, *script: Reply) -> None:
        super().__init__()
        self.script = list(script)

    def answer(self, request: Received) -> Reply:
        own = super().answer(request)
        return self.script.pop(0) if self.script else own


def refusal(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Reply(json.dumps({"error": error}).encode(), status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def wrong_key() -> Reply:
    return refusal(401, "Incorrect API key provided.", "invalid_api_key")


def slow_down() -> Reply:
    return refusal(429, "Rate limit reached.", "rate_limit_exceeded", retry_after="34")


@dataclass
class Chain:
    """Services whose first model falls back on two more, each at a provider of its own."""

    services: Services
    waits: list[float]

    def place(self, **urls: str) -> None:
        """Say where each provider listens; one that is not named has no key."""
        registry = self.services.registry(LOCAL_ADMIN)
        for slug, url in urls.items():
            self.services.set_key(LOCAL_ADMIN, registry.set_provider(slug, base_url=url), KEY, tested=True)

    def ask(self, **asked: Any) -> list[Any]:
        return list(self.services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="first", **asked)))

    def rows(self) -> list[tuple[str, int, str, str | None]]:
        """Return the ledger as (model, attempt, status, error class)."""
        query = sa.select(llm_usage_log.c.model_key, llm_usage_log.c.attempt, llm_usage_log.c.status, llm_usage_log.c.error_class)
        with self.services.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query.order_by(llm_usage_log.c.id))]

    def hint(self, model: str) -> dict[str, Any]:
        query = sa.select(model_compatibility_hints).where(model_compatibility_hints.c.model == model)
        with self.services.engine.connect() as connection:
            row = connection.execute(query).mappings().first()
            return dict(row) if row else {}

    def events(self, model: str) -> list[str]:
        query = sa.select(hint_events.c.event).where(hint_events.c.model == model).order_by(hint_events.c.id)
        with self.services.engine.connect() as connection:
            return list(connection.scalars(query))


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    services = open_services(load_settings({"MODELDECK_DATA_DIR": str(folder / "data")}, folder))
    registry = services.registry(LOCAL_ADMIN)
    for slug, model in DESK_MODELS.items():
        registry.add_model(slug, f"{model}-upstream", model_key=model, display_name=NAMES[model], is_active=True)
    registry.update_model(registry.get("first").id, fallbacks=["first", "second", "second", "nobody", "third"])
    services.close()
    return folder / "data"


def opened(folder: Path, seeded: Path, deadlines: Deadlines | None = None, **given: str) -> Iterator[Chain]:
    shutil.copytree(seeded, folder / "data")
    settings = load_settings({"MODELDECK_DATA_DIR": str(folder / "data"), **given}, folder)
    services = open_services(settings)
    waits: list[float] = []
    hints = SqlHints(services.engine, learning=settings.learn_from_failures)
    router = Router(services.ledger, hints, services.reach.candidate, sleep=waits.append, deadlines=deadlines or Deadlines())
    yield Chain(replace(services, router=router), waits)
    services.close()


@pytest.fixture
def chain(tmp_path: Path, seeded: Path) -> Iterator[Chain]:
    yield from opened(tmp_path, seeded)


@pytest.fixture
def hasty(tmp_path: Path, seeded: Path) -> Iterator[Chain]:
    """A chain that leaves a candidate after a third of a second."""
    yield from opened(tmp_path, seeded, Deadlines(candidate=0.3, overall=20))


def text(items: list[Any]) -> str:
    return "".join(item.text for item in items if isinstance(item, TextDelta))


def sentences(items: list[Any]) -> list[str]:
    return [item.sentence for item in items if isinstance(item, Notice)]


def test_a_refused_key_leads_on_and_blames_no_model(chain: Chain) -> None:
    with Moody(wrong_key()) as one, Moody() as two:
        chain.place(openai=one.base_url, groq=two.base_url)
        items = chain.ask()
    assert text(items) == TEXT
    assert sentences(items) == [
        "Fell back from First: key not accepted.",
        "Skipped nobody: There is no model named 'nobody' here.",
        "Skipped Third: Needs an Anthropic key.",
    ]
    assert chain.rows() == [("first", 1, "error", "auth"), ("second", 2, "ok", None)]
    assert chain.hint("first") == {}
    assert chain.events("third") == ["skipped"]


def test_a_rate_limit_is_told_with_its_time_and_rests_the_model_for_it(chain: Chain) -> None:
    with Moody(slow_down()) as one, Moody() as two:
        chain.place(openai=one.base_url, groq=two.base_url)
        items = chain.ask()
        assert sentences(items)[0] == "Fell back from First: rate limited, retry in 34 s."
        again = chain.ask()
        assert len(one.requests) == 1  # it rests
    assert sentences(again)[0].startswith("Skipped First for now: rate limited, 3")
    assert chain.rows() == [("first", 1, "error", "rate-limit"), ("second", 2, "ok", None), ("second", 1, "ok", None)]
    hint = chain.hint("first")
    assert (hint["error_count"], hint["cooldown_reason"], hint["is_blacklisted"]) == (0, "rate limited", False)
    assert chain.events("first") == ["cooldown", "skipped"]


def test_a_failing_server_is_asked_three_times_before_the_next(chain: Chain) -> None:
    with Moody(*[refusal(500, "Internal server error")] * 3) as one, Moody() as two:
        chain.place(openai=one.base_url, groq=two.base_url)
        items = chain.ask()
    assert text(items) == TEXT
    assert [type(i).__name__ for i in items if not isinstance(i, TextDelta)][:6] == ["Attempt", "Notice"] * 3
    assert "Fell back from First: not reachable or failing on its side." in sentences(items)
    assert [row[3] for row in chain.rows()] == ["network"] * 3 + [None]
    assert len(chain.waits) == 2


@pytest.mark.parametrize("says", [(), (head(),), (head(), b": still here\n\n")])
def test_a_server_that_stalls_is_left_when_its_time_is_up(hasty: Chain, says: tuple[bytes, ...]) -> None:
    def act(peer: Peer) -> None:
        peer.send(*says)
        peer.stall()

    with HostileServer(act) as one, Moody() as two:
        hasty.place(openai=one.base_url, groq=two.base_url)
        items = hasty.ask()
        assert one.left.wait(5), "the connection was left open"
    assert text(items) == TEXT
    assert sentences(items)[0] == "Fell back from First: timed out."
    assert hasty.rows() == [("first", 1, "error", "timeout"), ("second", 2, "ok", None)]
    assert hasty.hint("first")["cooldown_reason"] == "timed out"


def test_an_answer_that_breaks_off_after_its_first_word_is_not_begun_again(chain: Chain) -> None:
    body = openai_stream()
    broken = Reply(body, content_type="text/event-stream", cut=body.index(b" is"))
    with Moody(broken) as one, Moody() as two:
        chain.place(openai=one.base_url, groq=two.base_url)
        stream, seen = chain.services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="first")), []
        with pytest.raises(StreamTruncated):
            for item in stream:
                seen.append(item)
        assert two.requests == []
    assert text(seen) == "Water"
    assert isinstance(seen[-1], Attempt)
    assert chain.rows() == [("first", 1, "error", "network")]
    assert chain.hint("first")["cooldown_reason"] == "not reachable or failing on its side"


def test_when_all_fail_each_model_is_named_with_what_its_provider_said(chain: Chain) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(Moody(wrong_key()))
        two = stack.enter_context(Moody(refusal(402, "Your credit balance is too low.", "insufficient_quota")))
        three = stack.enter_context(Moody(refusal(404, "No such model.", "not_found_error")))
        chain.place(openai=one.base_url, groq=two.base_url, anthropic=three.base_url)
        with pytest.raises(NoCandidateLeft) as raised:
            chain.ask()
    words = str(raised.value)
    for piece in ("First: ", "Incorrect API key provided", "Second: ", "credit balance is too low", "Third: ", "No such model"):
        assert piece in words
    assert (raised.value.kind, raised.value.status) == ("auth", 401)
    assert KEY not in words
    assert [row[3] for row in chain.rows()] == ["auth", "quota", "model-incompatible"]
    assert chain.hint("third")["error_count"] == 1


def test_a_model_moved_to_another_endpoint_is_served_there_in_the_same_call_and_from_then_on(chain: Chain) -> None:
    with Moody(refusal(404, ONLY_RESPONSES)) as one:
        chain.place(openai=one.base_url)
        assert text(chain.ask()) == TEXT
        assert text(chain.ask()) == TEXT
        assert [request.path for request in one.requests] == ["/v1/chat/completions", "/v1/responses", "/v1/responses"]
    hint = chain.hint("first")
    assert (hint["preferred_endpoint"], hint["unsupported_endpoints"], hint["error_count"]) == ("responses", ["chat/completions"], 0)
    assert chain.events("first") == ["first_success", "learned_endpoint"]


def test_a_renamed_parameter_reaches_the_wire(chain: Chain) -> None:
    with Moody(refusal(400, RENAME, "unsupported_parameter")) as one:
        chain.place(openai=one.base_url)
        assert text(chain.ask(max_tokens=77)) == TEXT
        assert text(chain.ask(max_tokens=78)) == TEXT
        sent = [(r.body.get("max_tokens"), r.body.get("max_completion_tokens")) for r in one.requests]
    assert sent == [(77, None), (None, 77), (None, 78)]
    assert chain.events("first") == ["first_success", "learned_parameter"]


def test_what_the_adapter_adds_can_be_left_out_too(chain: Chain) -> None:
    with Moody(refusal(422, "Unknown field: stream_options")) as one:
        chain.place(openai=one.base_url)
        assert text(chain.ask()) == TEXT
        assert ["stream_options" in request.body for request in one.requests] == [True, False]


def test_a_person_who_stops_leaves_nobody_waiting(chain: Chain) -> None:
    endless = Reply(b'data: {"choices":[{"delta":{"content":"la "}}]}\n\n', content_type="text/event-stream", endless=True)
    with Moody(wrong_key()) as one, Moody(endless) as two:
        chain.place(openai=one.base_url, groq=two.base_url)
        stream = chain.services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="first"))
        for item in stream:
            if isinstance(item, TextDelta):
                break
        stream.close()
        assert two.hung_up.wait(5)
    assert chain.rows() == [("first", 1, "error", "auth"), ("second", 2, "cancelled", None)]


@pytest.mark.parametrize("source", ["test", "probe"])
def test_a_test_of_one_model_is_not_answered_by_another(chain: Chain, source: Any) -> None:
    with Moody(wrong_key()) as one, Moody() as two:
        chain.place(openai=one.base_url, groq=two.base_url)
        with pytest.raises(ProviderError):
            chain.ask(source=source)
        assert two.requests == []


def test_a_fallback_that_does_not_take_the_parameters_is_passed_over(chain: Chain) -> None:
    registry = chain.services.registry(LOCAL_ADMIN)
    registry.update_model(registry.get("second").id, max_output_tokens=50)
    with Moody(wrong_key()) as one, Moody() as two, Moody() as three:
        chain.place(openai=one.base_url, groq=two.base_url, anthropic=three.base_url)
        items = chain.ask(max_tokens=60)
        assert (two.requests, text(items)) == ([], TEXT)
    assert "Skipped Second: Max tokens must be from 1 to 50 for Second, not 60." in sentences(items)


@pytest.mark.parametrize("learn", ["true", "false"])
def test_learning_or_not_the_same_calls_are_served_the_same_way(tmp_path: Path, seeded: Path, learn: str) -> None:
    run = opened(tmp_path, seeded, LEARN_FROM_FAILURES=learn)
    chain = next(run)
    script = [refusal(404, ONLY_RESPONSES), refusal(429, "Slow down.", retry_after="1"), refusal(500, "Oops")]
    with Moody(*script) as one, Moody() as two:
        chain.place(openai=one.base_url, groq=two.base_url)
        items = chain.ask()
        paths = [request.path for request in one.requests]
    assert text(items) == TEXT
    assert paths == ["/v1/chat/completions", *["/v1/responses"] * 3]
    assert [row[2:] for row in chain.rows()] == [
        *(("error", "model-incompatible"), ("error", "rate-limit"), ("error", "network")),
        ("ok", None),
    ]
    assert [notice.kind for notice in items if isinstance(notice, Notice)] == ["adapted", "waiting", "waiting"]
    assert bool(chain.hint("first")) == (learn == "true")
    assert chain.events("first") == (["first_success", "learned_endpoint"] if learn == "true" else [])
    next(run, None)
