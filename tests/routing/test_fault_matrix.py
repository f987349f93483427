"""Every way a server can misbehave has one stated outcome: what is said, what is written down, and what is remembered."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy.engine import Engine

from lib.chat import TextDelta
from lib.errors import ErrorKind, ProviderError
from lib.net import new_client
from lib.net.client import Wire
from lib.providers import sse, transport
from lib.routing import Router
from lib.ui.pump import pump
from lib.usage import Attempt, Ledger
from tests.providers.hostile import Act, HostileServer, Peer, bomb, certificate, head, in_anthropic, in_openai, say
from tests.routing.live import KEY, Live
from tests.serving import free_port

MB = 1024 * 1024
SSE, JSON, HTML = "text/event-stream", "application/json", "text/html; charset=utf-8"
PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
PROXY = b"<html><head><title>Bad gateway</title></head><body>The web server reported an error.</body></html>"
BOMB = bomb(24 * MB)
WORD = {"openai": in_openai("word"), "anthropic": in_anthropic("word")}
WIDE = head(SSE + "; charset=utf-16") + "data: {}\n\n".encode("utf-16")
Reach = Literal["plain", "closed", "no-such-host", "host-unknown-now", "self-signed", "wrong-host", "https-to-http"]
Way = Literal["stream", "complete"]
BOTH: tuple[Way, ...] = ("stream", "complete")


@dataclass(frozen=True)
class Scene:
    """What an act may use: the word of the protocol at hand, how it is asked, and the address of another host."""

    kind: str
    way: Way
    elsewhere: str


@dataclass(frozen=True)
class Fault:
    """One row: how the server is reached and what it does, then what has to come of it.

    ``error`` None is an answer; ``says`` is part of its words then, of the error's sentence otherwise. ``hint`` is
    "cooldown" (rests, not counted), "counted" (towards the blacklist), or "none". ``seen`` says that words were shown.
    """

    name: str
    act: Callable[[Scene], Act]
    error: ErrorKind | None
    says: str
    retryable: bool = True
    status: int | None = None
    tries: int = 1
    hint: Literal["cooldown", "counted", "none"] = "cooldown"
    seen: bool = False
    ways: tuple[Way, ...] = BOTH
    reach: Reach = "plain"
    patience: float = 20.0


def always(act: Act) -> Callable[[Scene], Act]:
    return lambda scene: act


def words(*after: bytes, then: Act | None = None, **headers: str) -> Callable[[Scene], Act]:
    return lambda scene: say(head(SSE, **headers), WORD[scene.kind], *after, then=then)


def document(body: object, status: str = "200 OK", media: str = JSON, **headers: str) -> Callable[[Scene], Act]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return always(say(head(media, status, content_length=str(len(raw)), **headers), raw))


def in_stream(document: object, name: str = "") -> Callable[[Scene], Act]:
    event = (f"event: {name}\n" if name else "") + f"data: {json.dumps(document)}\n\n"
    return always(say(head(SSE), event.encode()))


def answer(text: bytes) -> Callable[[Scene], Act]:
    """A whole answer in one piece, whose text is given in the bytes of its JSON."""

    def act(scene: Scene) -> Act:
        if scene.way == "complete":
            whole = {
                "openai": b'{"choices": [{"message": {"content": "%b"}, "finish_reason": "stop"}]}',
                "anthropic": b'{"type": "message", "content": [{"type": "text", "text": "%b"}], "stop_reason": "end_turn"}',
            }
            return say(head(JSON + "; charset=iso-8859-1"), whole[scene.kind] % text)
        stream = {
            "openai": b'data: {"choices": [{"delta": {"content": "%b"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
            "anthropic": b'data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "%b"}}\n\n'
            b'data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}\n\ndata: {"type": "message_stop"}\n\n',
        }
        return say(head(SSE + "; charset=iso-8859-1"), stream[scene.kind] % text)

    return act


def redirect(status: str) -> Callable[[Scene], Act]:
    return lambda scene: say(head(JSON, status, location=scene.elsewhere, content_length="0"))


def endless(piece: bytes, pause: float = 0.0) -> Act:
    return say(head(SSE), then=lambda peer: peer.keep_sending(itertools.repeat(piece), pause))


def endless_words(scene: Scene) -> Act:
    return endless((in_openai if scene.kind == "openai" else in_anthropic)("word " * 500))


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
NO_MODEL = {"error": {"message": "The model `m` does not exist", "type": "invalid_request_error", "code": "model_not_found"}}
NO_CREDIT = {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}}

FAULTS = (
    # Nothing to talk to
    Fault("connection refused", always(Peer.stall), "network", "nothing listens at its address", tries=3, reach="closed"),
    Fault("no such host", always(Peer.stall), "network", "host name does not exist", retryable=False, reach="no-such-host"),
    Fault("host not found just now", always(Peer.stall), "network", "could not be looked up just now", tries=3, reach="host-unknown-now"),
    Fault("self-signed certificate", always(Peer.stall), "network", "is not trusted", retryable=False, reach="self-signed"),
    Fault("certificate of another host", always(Peer.stall), "network", "belongs to another host", retryable=False, reach="wrong-host"),
    Fault(
        "http where https was entered",
        always(say(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        *("network", "does not speak HTTPS"),
        retryable=False,
        reach="https-to-http",
    ),
    # Slow
    Fault("slow headers", always(Peer.stall), "timeout", "did not answer in time", tries=2, patience=0.05),
    Fault("silent from the start", always(say(head(), then=Peer.stall)), "timeout", "did not answer in time", tries=2, patience=0.05),
    Fault("stall in the middle", words(then=Peer.stall), "timeout", "did not answer in time", seen=True, ways=("stream",), patience=0.2),
    Fault(
        "stall in the middle of a document",
        always(say(head(JSON), b'{"choices": [', then=Peer.stall)),
        *("timeout", "did not answer in time"),
        tries=2,
        patience=0.05,
    ),
    # Broken off
    Fault("closed without a word", always(say()), "network", "could not be reached or failed", tries=3),
    Fault("end in the middle", words(), "network", "broke off", seen=True, ways=("stream",)),
    Fault("end before the first word", always(say(head())), "network", "broke off", tries=3, ways=("stream",)),
    Fault("empty answer", always(say(head(JSON))), "network", "cannot be read", tries=3, ways=("complete",)),
    Fault("half a document", always(say(head(JSON), b'{"choices": [{"mess')), "network", "cannot be read", tries=3),
    Fault("reset in the middle", words(then=Peer.reset), "network", "broke off", seen=True, ways=("stream",)),
    Fault("reset at once", always(Peer.reset), "network", "could not be reached or failed", tries=3),
    Fault(
        "less than the length it gave",
        always(say(head(JSON, content_length="1000"), b'{"choices": [')),
        *("network", "could not be reached or failed"),
        tries=3,
        ways=("complete",),
    ),
    Fault("less than the length of a stream", words(content_length="1000"), "network", "broke off", seen=True, ways=("stream",)),
    Fault(
        "more than the length it gave",
        always(say(head(JSON, content_length="9"), b'{"choices": []}')),
        "network",
        "cannot be read",
        tries=3,
    ),
    Fault("two lengths", always(say(head(content_length="5, 6"))), "network", "could not be reached or failed", tries=3),
    # Not an answer
    Fault("a page with status 200", document(PAGE, media=HTML), "network", "failed on its side: Sign in.", retryable=False, status=200),
    Fault(
        "a page called an event stream", document(PAGE, media=SSE), "network", "failed on its side: Sign in.", retryable=False, status=200
    ),
    Fault("not HTTP", always(say(b"SSH-2.0-OpenSSH_9.6\r\n")), "network", "could not be reached or failed", tries=3),
    Fault(
        "headers without an end",
        always(say(b"HTTP/1.1 200 OK\r\n", then=lambda peer: peer.keep_sending(itertools.repeat(b"x-more: " + b"y" * 4000 + b"\r\n")))),
        *("network", "could not be reached or failed"),
        tries=3,
    ),
    Fault("bad gateway page", document(PROXY, "502 Bad Gateway", HTML), "network", "failed on its side", status=502, tries=3),
    Fault("proxy's time-out page", document(PROXY, "524 A timeout occurred", HTML), "timeout", "in time", status=524, tries=2),
    Fault("a word of plain text", document(b"OK", media="text/plain"), "network", "cannot be read", tries=3, ways=("complete",)),
    Fault("a word for a stream", document(b"OK", media="text/plain"), "network", "broke off", tries=3, ways=("stream",)),
    # Errors in disguise
    Fault("error event in a stream", in_stream(OVERLOADED, "error"), "network", "Overloaded", status=200, tries=3, ways=("stream",)),
    Fault("bare error event", in_stream(NO_MODEL), "model-incompatible", "does not exist", False, 200, hint="counted", ways=("stream",)),
    Fault("error document with status 200", document(NO_MODEL), "model-incompatible", "does not exist", False, 200, hint="counted"),
    Fault("no credit with status 200", document(NO_CREDIT), "quota", "no quota or credit", False, 200, hint="none"),
    Fault(
        "error after the first word",
        lambda scene: say(head(SSE), WORD[scene.kind], b"event: error\ndata: " + json.dumps(OVERLOADED).encode() + b"\n\n"),
        *("network", "Overloaded"),
        status=200,
        seen=True,
        ways=("stream",),
    ),
    # Too much
    Fault("bomb in a document", always(say(head(JSON, content_encoding="gzip"), BOMB)), "network", "cut off", retryable=False),
    Fault("bomb in a stream", always(say(head(SSE, content_encoding="gzip"), BOMB)), "network", "cut off", retryable=False),
    Fault("a line without an end", always(endless(b"x" * 65536)), "network", "cut off", retryable=False),
    Fault("words without an end", endless_words, "network", "cut off", retryable=False, seen=True, ways=("stream",)),
    Fault(
        "comments without an end", always(endless(b": alive\n\n", 0.002)), "timeout", "without finishing", retryable=False, ways=("stream",)
    ),
    Fault(
        "compressed as nobody asked",
        always(say(head(JSON, content_encoding="br"), b"\x0b\x02")),
        "network",
        "cannot be read",
        tries=3,
    ),
    # Elsewhere
    *(
        Fault(f"redirect {status}", redirect(status), "network", "Check the base URL", retryable=False, status=int(status[:3]))
        for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect")
    ),
    # Odd, but an answer
    Fault("another charset than it says", answer(b"caf\xe9"), None, "caf\ufffd", hint="none"),
    Fault("half a surrogate pair", answer(b"ok \\ud83d"), None, "ok", hint="none"),
    Fault("a line of 3 MB", answer(b"x" * 3 * MB), None, "x" * 3 * MB, hint="none"),
    Fault("a stream of wide characters", always(say(WIDE)), "network", "broke off", tries=3, ways=("stream",)),
    Fault("a document of wide characters", always(say(WIDE)), "network", "cannot be read", tries=3, ways=("complete",)),
)
CASES = [pytest.param(fault, way, id=f"{fault.name}-{way}") for fault in FAULTS for way in fault.ways]


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"), "provider.test")


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LONGEST_ANSWER", 4 * MB)
    monkeypatch.setattr(transport, "LONGEST_STREAM", 8 * MB)
    monkeypatch.setattr(transport, "KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(sse, "MAX_EVENT", 4 * MB)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize(("fault", "way"), CASES)
def test_a_fault_has_its_stated_outcome(
    fault: Fault, way: Way, kind: str, sqlite_engine: Engine, papers: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        elsewhere = stack.enter_context(HostileServer(Peer.stall))
        context = _context(papers) if fault.reach in ("self-signed", "wrong-host") else None
        act = fault.act(Scene(kind, way, elsewhere.base_url))
        server = stack.enter_context(HostileServer(act, context, listens=fault.reach != "https-to-http"))
        trusting = Wire(ssl.create_default_context(cafile=str(papers[0]))) if fault.reach == "wrong-host" else None
        live = Live(sqlite_engine, stack.enter_context(new_client(trusting)), read=fault.patience)
        shown, attempts, raised = _ask(live, kind, way, _address(fault.reach, server, monkeypatch))
        stack.close()

    assert elsewhere.seen == [], "the key went to another host"
    if fault.error is None:
        assert raised is None
        assert fault.says in shown
    else:
        assert raised is not None
        assert (raised.kind, raised.retryable, raised.status) == (fault.error, fault.retryable, fault.status)
        assert fault.says in str(raised)
        assert bool(shown) == fault.seen
    _ledger_is_true(live, fault, attempts)
    _memory_is_as_stated(live, fault)
    assert KEY not in f"{live.rows()}{live.hints()}{raised!r}{raised}"


def _context(papers: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*papers)
    return context


def _address(reach: Reach, server: HostileServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the base URL; a look-up that fails is the one thing that no loopback server can play."""
    match reach:
        case "closed":
            port = free_port()
            return f"http://127.0.0.1:{port}/v1"
        case "no-such-host" | "host-unknown-now":
            number = socket.EAI_NONAME if reach == "no-such-host" else socket.EAI_AGAIN

            def look_up(*_: object, **__: object) -> None:
                raise socket.gaierror(number, "look-up failed")

            monkeypatch.setattr(socket, "getaddrinfo", look_up)
            return "https://provider.test/v1"
        case "wrong-host":
            return server.base_url.replace("127.0.0.1", "localhost")
        case "https-to-http":
            return server.base_url.replace("http://", "https://")
        case _:
            return server.base_url


def _ask(live: Live, kind: str, way: Way, url: str) -> tuple[str, list[Attempt], ProviderError | None]:
    shown, attempts, call = "", [], live.call((kind, url))
    try:
        if way == "complete":
            routed = live.router.complete(call)
            return routed.completion.text, list(routed.attempts), None
        for item in live.router.stream(call):
            if isinstance(item, TextDelta):
                shown += item.text
            elif isinstance(item, Attempt):
                attempts.append(item)
    except ProviderError as error:
        return shown, attempts, error
    return shown, attempts, None


def _ledger_is_true(live: Live, fault: Fault, attempts: list[Attempt]) -> None:
    rows = live.rows()
    assert len(rows) == fault.tries
    for row in rows:
        assert row["status"] == ("ok" if fault.error is None else "error")
        assert (row["error_class"], row["error_status"]) == (fault.error, fault.status)
        assert (row["input_tokens"], row["output_tokens"], row["usage_source"], row["cost_nano_usd"]) == (None, None, "none", None)
        assert (row["ttft_ms"] is not None) == (fault.seen or (fault.error is None and bool(attempts) and attempts[-1].ttft_ms is not None))
        assert fault.error is None or fault.says in row["error_message"]
    assert [row["is_final"] for row in rows] == [False] * (fault.tries - 1) + [True]
    assert len(live.waits) == fault.tries - 1


def _memory_is_as_stated(live: Live, fault: Fault) -> None:
    if fault.error is None:
        assert [(hint["success_count"], hint["error_count"], hint["cooldown_until"]) for hint in live.hints()] == [(1, 0, None)]
        return
    found = [
        (hint["success_count"], hint["error_count"], hint["cooldown_until"] is not None, hint["is_blacklisted"]) for hint in live.hints()
    ]
    stated = {"none": [], "counted": [(0, 1, False, False)], "cooldown": [(0, 0, True, False)]}
    assert found == stated[fault.hint]


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("said", [True, False])
def test_stop_while_the_provider_is_silent_is_seen_there_and_written_down_at_once(kind: str, said: bool, sqlite_engine: Engine) -> None:
    act = say(head(), WORD[kind], then=Peer.stall) if said else Peer.stall
    closed = threading.Event()
    with HostileServer(act) as server, new_client() as client:
        live = Live(sqlite_engine, client)

        def call() -> Iterator[object]:
            try:
                yield from live.router.stream(live.call((kind, server.base_url)))
            finally:
                closed.set()

        arriving = pump(call(), 0.01)
        first = next(item for item in arriving if item is not None or (not said and server.asked.is_set()))
        assert first == (TextDelta("word") if said else None)
        began = time.monotonic()
        arriving.close()
        assert server.left.wait(10)
        assert time.monotonic() - began < 1
        assert closed.wait(10)

    (row,) = live.rows()
    assert (row["status"], row["is_final"], row["error_class"], row["cost_nano_usd"]) == ("cancelled", True, None, None)
    assert (row["ttft_ms"] is not None) == said
    assert live.hints() == [], "a stop says nothing about the model"


def test_a_stop_between_two_tries_asks_no_more(sqlite_engine: Engine) -> None:
    with HostileServer(document(PROXY, "502 Bad Gateway", HTML)(Scene("openai", "stream", ""))) as server, new_client() as client:
        live = Live(sqlite_engine, client)
        patient = Router(Ledger(sqlite_engine, instance_id="1"), None, live.open, chance=lambda: 1000.0)
        ended = threading.Event()

        def call() -> Iterator[object]:
            try:
                yield from patient.stream(live.call(("openai", server.base_url)))
            finally:
                ended.set()

        arriving = pump(call(), 0.01)
        assert next(item for item in arriving if isinstance(item, Attempt)).status == "error"
        arriving.close()
        assert ended.wait(10)

    assert len(server.seen) == 1
    assert [(row["status"], row["is_final"]) for row in live.rows()] == [("error", True)]
