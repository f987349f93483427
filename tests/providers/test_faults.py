"""Hostile servers on real sockets cost bounded time and memory, and a person who stops is obeyed at once."""

from __future__ import annotations

import functools
import itertools
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.chat import Message, Request, TextDelta
from lib.errors import Cancelled, ProviderError
from lib.net import Exchange, Stopper, new_client, pause, within
from lib.net.client import Wire
from lib.providers import default_endpoint, open_adapter, sse, transport
from tests.providers.hostile import Act, HostileServer, Peer, bomb, certificate, head, in_anthropic, in_openai, say

ASK = Request("m", (Message("user", "Hello"),))
MB = 1024 * 1024
KINDS = pytest.mark.parametrize("kind", ["openai", "anthropic"])
WAYS = pytest.mark.parametrize("way", ["stream", "complete"])
BOMB = functools.cache(lambda: bomb(100 * MB))
WORDS = {"openai": in_openai, "anthropic": in_anthropic}


def ask(kind: str, way: str, url: str, client: httpx.Client, timeout: float = 20) -> list[object]:
    adapter = open_adapter(kind, base_url=url, api_key="the-key", client=client, timeout=timeout)
    endpoint = default_endpoint(kind)
    return [adapter.complete(ASK, endpoint)] if way == "complete" else list(adapter.stream(ASK, endpoint))


def failure(kind: str, way: str, act: Act, timeout: float = 20) -> ProviderError:
    with HostileServer(act) as server, new_client() as client, pytest.raises(ProviderError) as caught:
        ask(kind, way, server.base_url, client, timeout)
    return caught.value


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@KINDS
@WAYS
@pytest.mark.parametrize("media", ["text/event-stream", "application/json"])
def test_a_compressed_bomb_is_given_up_at_the_limit(kind: str, way: str, media: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LONGEST_ANSWER", 4 * MB)
    monkeypatch.setattr(sse, "MAX_EVENT", 4 * MB)
    body = BOMB()
    caught: list[ProviderError] = []
    used = peak(lambda: caught.append(failure(kind, way, say(head(media, content_encoding="gzip"), body))))

    assert used < len(body) + 14 * MB
    assert (caught[0].kind, caught[0].retryable) == ("network", False)


def test_a_compression_nobody_asked_for_is_an_error_and_not_read_as_words() -> None:
    error = failure("openai", "complete", say(head("application/json", content_encoding="br"), b'{"choices": []}'))

    assert error.kind == "network"


@KINDS
def test_a_stream_of_words_without_an_end_is_cut_off(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LONGEST_STREAM", 2 * MB)
    words = WORDS[kind]("word " * 1000)
    with HostileServer(say(head(), then=lambda peer: peer.keep_sending(itertools.repeat(words)))) as server, new_client() as client:
        events = open_adapter(kind, base_url=server.base_url, client=client).stream(ASK, default_endpoint(kind))
        with pytest.raises(ProviderError, match="cut off") as caught:
            count = 0
            for count, _ in enumerate(events):  # noqa: B007
                pass

        assert count * len(words) < 3 * MB
        assert (caught.value.kind, caught.value.retryable) == ("network", False)
        assert server.left.wait(10)


@KINDS
@pytest.mark.parametrize("sign", [b": keep-alive\n\n", b"\n\n", b'event: ping\ndata: {"type": "ping"}\n\n'])
def test_signs_of_life_alone_do_not_keep_a_call_alive(kind: str, sign: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "KEEP_ALIVE_SECONDS", 0.1)
    began = time.monotonic()
    error = failure(kind, "stream", say(head(), then=lambda peer: peer.keep_sending(itertools.repeat(sign), 0.005)))

    assert time.monotonic() - began < 5
    assert (error.kind, error.retryable) == ("timeout", False)
    assert "without finishing" in str(error)


DRIPS = {
    "the headers": [b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n"] * 100_000],
    "a document": [head("application/json"), *[b" "] * 100_000],
    "one event": [head(), b"data: ", *[b"x"] * 100_000],
    "an error": [head(status="500 No"), *[b" "] * 100_000],
}


@WAYS
@pytest.mark.parametrize("what", DRIPS)
def test_an_exchange_spun_out_byte_by_byte_ends_in_time(way: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LONGEST_SECONDS", 0.2)
    began = time.monotonic()
    error = failure("openai", way, lambda peer: peer.keep_sending(DRIPS[what], 0.005))

    assert time.monotonic() - began < 5
    assert error.kind == ("network" if what == "an error" else "timeout")


def test_a_server_that_takes_no_request_ends_in_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LONGEST_SECONDS", 0.2)
    with HostileServer(Peer.ignore, listens=False) as server, new_client() as client:
        adapter = open_adapter("openai", base_url=server.base_url, client=client)
        began = time.monotonic()
        with pytest.raises(ProviderError) as caught:
            adapter.complete(Request("m", (Message("user", "x" * 50 * MB),)), "chat/completions")

    assert time.monotonic() - began < 10
    assert caught.value.kind == "timeout"


def test_a_long_event_in_many_pieces_costs_its_length_and_not_its_square() -> None:
    def seconds(size: int) -> float:
        decoder = sse.Decoder()
        began = time.process_time()
        for _ in range(size // 512):
            decoder.feed(b"x" * 512)
        return time.process_time() - began

    seconds(MB)
    assert seconds(12 * MB) < 60 * max(seconds(MB), 0.001)


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [{"message": {"content": "The model gpt-9 does not exist or you do not have access to it.',
        b'{"choices": [{"message": {"content": "Rate limit reached, retry after 30 seconds',
        b'[{"text": "your credit balance is too low"',
    ],
)
@pytest.mark.parametrize("media", ["application/json", "text/event-stream"])
def test_the_words_of_half_an_answer_are_not_taken_for_the_providers_refusal(body: bytes, media: str) -> None:
    for way in ("stream", "complete"):
        error = failure("openai", way, say(head(media), body))
        assert (error.kind, error.retryable) == ("network", True)
        assert "cannot be read" in str(error)


HEADS = [
    b"",
    b"HTTP/1.1 ",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: ",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n",
]
HEADS += [
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    head(),
    head("application/json"),
    head(status="429 Slow", retry_after="")[:-4],
]
HEADS += [
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 999 Odd\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
]


@KINDS
@WAYS
def test_whatever_bytes_come_over_the_line_end_in_a_provider_error_that_counts_against_no_model(kind: str, way: str) -> None:
    said = [b""]
    with HostileServer(lambda peer: peer.send(said[0])) as server, new_client() as client:

        @settings(max_examples=60, deadline=None)
        @given(st.sampled_from(HEADS), st.binary(max_size=80) | st.text("0123456789abcdef:;\r\n {}[]", max_size=60).map(str.encode))
        def check(start: bytes, rest: bytes) -> None:
            said[0] = start + rest
            with pytest.raises(ProviderError) as caught:
                ask(kind, way, server.base_url, client)
            assert caught.value.status not in (None, 200, 204) or caught.value.kind in ("network", "timeout")

        check()


def test_a_server_that_wants_to_speak_another_protocol_is_no_providers_refusal() -> None:
    error = failure("openai", "complete", say(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"))

    assert error.kind == "network"


def served_with(tmp_path: Path, name: str) -> tuple[ssl.SSLContext, httpx.Client]:
    crt, key = certificate(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return context, new_client(Wire(ssl.create_default_context(cafile=str(crt))))


def test_a_certificate_of_another_host_gets_no_key(tmp_path: Path) -> None:
    context, client = served_with(tmp_path, "provider.test")
    with client, HostileServer(say(b""), context) as server, pytest.raises(ProviderError, match="belongs to another host") as caught:
        ask("openai", "complete", server.base_url.replace("127.0.0.1", "localhost"), client)

    assert (caught.value.kind, caught.value.retryable) == ("network", False)
    assert server.seen == []


SILENCES: dict[str, Act] = {
    "before its headers": Peer.stall,
    "before the first word": say(head(), then=Peer.stall),
    "in the middle of a document": say(head("application/json"), b'{"choices": ', then=Peer.stall),
    "in the middle of an error": say(head(status="500 No"), then=Peer.stall),
}


@KINDS
@WAYS
@pytest.mark.parametrize("silence", SILENCES)
def test_a_stop_hangs_up_on_a_silent_provider_at_once(kind: str, way: str, silence: str) -> None:
    stopper = Stopper()
    ended: list[type[BaseException]] = []

    def call() -> None:
        with stopper.applied():
            try:
                ask(kind, way, server.base_url, client)
            except BaseException as error:
                ended.append(type(error))

    with HostileServer(SILENCES[silence]) as server, new_client() as client:
        thread = threading.Thread(target=call)
        thread.start()
        assert server.asked.wait(10)
        began = time.monotonic()
        stopper.stop()
        assert server.left.wait(10)
        thread.join(10)

    assert time.monotonic() - began < 1
    assert ended == [Cancelled], "a stop is nobody's failure"


def test_a_stop_hangs_up_through_tls(tmp_path: Path) -> None:
    context, client = served_with(tmp_path, "localhost")
    stopper, words = Stopper(), threading.Event()
    ended: list[type[BaseException]] = []

    def call() -> None:
        adapter = open_adapter("openai", base_url=server.base_url.replace("127.0.0.1", "localhost"), client=client)
        with stopper.applied():
            try:
                for event in adapter.stream(ASK, "chat/completions"):
                    assert event == TextDelta("word")
                    words.set()
            except BaseException as error:
                ended.append(type(error))

    with client, HostileServer(say(head(), in_openai("word"), then=Peer.stall), context) as server:
        thread = threading.Thread(target=call)
        thread.start()
        assert words.wait(10)
        began = time.monotonic()
        stopper.stop()
        assert server.left.wait(10)
        thread.join(10)

    assert time.monotonic() - began < 1
    assert ended == [Cancelled]


def test_a_stop_leaves_a_connection_alone_that_serves_somebody_else_by_now() -> None:
    answer = b'{"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}'
    go_on = threading.Event()

    def act(peer: Peer) -> None:
        reply = head("application/json", connection="keep-alive", content_length=str(len(answer))) + answer
        peer.send(reply)
        peer.connection.recv(65536)
        assert go_on.wait(10)
        peer.send(reply)

    stopper = Stopper()
    second: list[object] = []
    with HostileServer(act) as server, new_client() as client:
        with stopper.applied():
            ask("openai", "complete", server.base_url, client)
        thread = threading.Thread(target=lambda: second.extend(ask("openai", "complete", server.base_url, client)))
        thread.start()
        stopper.stop()
        go_on.set()
        thread.join(10)

    assert len(second) == 1
    assert len(server.seen) == 1, "the same connection"


@KINDS
@WAYS
@pytest.mark.parametrize("silence", SILENCES)
def test_whoever_waits_only_so_long_gets_a_timeout_then(kind: str, way: str, silence: str) -> None:
    began = time.monotonic()
    with (
        HostileServer(SILENCES[silence]) as server,
        new_client() as client,
        pytest.raises(ProviderError) as caught,
        within(10),
        within(0.05),
    ):
        ask(kind, way, server.base_url, client)

    assert time.monotonic() - began < 5
    assert caught.value.kind == ("network" if "error" in silence else "timeout"), "an error's status says enough"
    assert caught.value.retryable


def test_nothing_is_sent_after_a_stop() -> None:
    stopper = Stopper()
    stopper.stop()
    with HostileServer(Peer.stall) as server, new_client() as client, stopper.applied(), pytest.raises(Cancelled):
        ask("openai", "stream", server.base_url, client)

    assert server.seen == []


def test_a_stop_ends_a_pause_and_none_ends_without_one() -> None:
    stopper = Stopper()
    threading.Timer(0.01, stopper.stop).start()
    with stopper.applied(), pytest.raises(Cancelled):
        pause(30)
    pause(0)


def test_a_hung_up_exchange_shuts_the_line_it_gets_later() -> None:
    shut: list[object] = []

    class Late:
        def hang_up(self, exchange: Exchange) -> None:
            shut.append(exchange)

    exchange = Exchange(10)
    exchange.hang_up()
    exchange.over(Late())
    assert shut == [exchange]
