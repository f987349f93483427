"""On a real socket: connections are kept for the next call, given up when a call is cancelled, and never hang."""

from __future__ import annotations

import gzip
import time

import pytest

from lib.chat import Finish, Message, Request, TextDelta, fold
from lib.errors import ProviderError, StreamTruncated
from lib.net import new_client
from lib.providers import default_endpoint, open_adapter, transport
from tests.replay import TEXT, ReplayServer, Reply, anthropic_stream, openai_stream, sse

ASK = Request("m", (Message("user", "Hello"),))
SSE = "text/event-stream"


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_stream_read_to_its_end_leaves_the_connection_to_the_next_call(kind: str) -> None:
    with ReplayServer() as server, new_client() as client:
        adapter = open_adapter(kind, base_url=server.base_url, client=client)
        for _ in range(3):
            assert fold(adapter.stream(ASK, default_endpoint(kind))).text == TEXT
            assert adapter.complete(ASK, default_endpoint(kind)).text == TEXT

        assert len(server.requests) == 6
        assert server.connections == 1


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_reader_that_stops_at_the_finish_does_not_lose_the_connection(kind: str) -> None:
    with ReplayServer() as server, new_client() as client:
        adapter = open_adapter(kind, base_url=server.base_url, client=client)
        for _ in range(2):
            for event in adapter.stream(ASK, default_endpoint(kind)):
                if isinstance(event, Finish):
                    break

        assert server.connections == 1


def test_closing_a_stream_in_the_middle_hangs_up_on_the_provider() -> None:
    words = sse({"choices": [{"delta": {"content": "word "}}]}, done=False)
    with ReplayServer(Reply(words, content_type=SSE, endless=True)) as server, new_client() as client:
        stream = open_adapter("openai", base_url=server.base_url, client=client).stream(ASK, "chat/completions")
        assert next(stream) == TextDelta("word ")
        stream.close()  # type: ignore[attr-defined]  # every stream is a generator

        assert server.hung_up.wait(10)


def test_nothing_is_sent_before_the_stream_is_read() -> None:
    with ReplayServer() as server, new_client() as client:
        open_adapter("openai", base_url=server.base_url, client=client).stream(ASK, "chat/completions")

        assert server.requests == []


@pytest.mark.parametrize(("kind", "body"), [("openai", openai_stream()), ("anthropic", anthropic_stream())])
def test_a_provider_that_never_ends_its_stream_is_left_after_the_last_event(
    kind: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "DRAIN_SECONDS", 0.05)
    reply = Reply(body + b": still here\n\n", content_type=SSE, endless=True)
    with ReplayServer(reply, pace=0.001) as server, new_client() as client:
        answer = fold(open_adapter(kind, base_url=server.base_url, client=client).stream(ASK, default_endpoint(kind)))

        assert answer.text == TEXT
        assert server.hung_up.wait(10)


def test_a_connection_that_breaks_in_the_middle_is_a_truncated_stream() -> None:
    body = openai_stream()
    with ReplayServer(Reply(body, content_type=SSE, cut=len(body) // 2)) as server, new_client() as client:
        with pytest.raises(StreamTruncated):
            list(open_adapter("openai", base_url=server.base_url, client=client).stream(ASK, "chat/completions"))


def test_a_connection_that_breaks_after_the_finish_keeps_the_answer() -> None:
    body = openai_stream()
    with ReplayServer(Reply(body, content_type=SSE, cut=body.index(b"[DONE]"))) as server, new_client() as client:
        assert fold(open_adapter("openai", base_url=server.base_url, client=client).stream(ASK, "chat/completions")).text == TEXT


def test_a_silent_provider_is_a_timeout() -> None:
    with ReplayServer(Reply(openai_stream(), content_type=SSE), pace=30) as server, new_client() as client:
        adapter = open_adapter("openai", base_url=server.base_url, client=client, timeout=0.1)
        with pytest.raises(ProviderError) as caught:
            list(adapter.stream(ASK, "chat/completions"))

    assert (caught.value.kind, caught.value.retryable) == ("timeout", True)


def test_nobody_listening_is_a_network_error() -> None:
    with ReplayServer() as server:
        gone = server.base_url
    with new_client() as client, pytest.raises(ProviderError) as caught:
        open_adapter("openai", base_url=gone, client=client).complete(ASK, "chat/completions")

    assert (caught.value.kind, caught.value.status) == ("network", None)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_wrong_key_is_refused_and_shown_nowhere(kind: str) -> None:
    with ReplayServer(api_key="right") as server, new_client() as client:
        adapter = open_adapter(kind, base_url=server.base_url, api_key="wrong-and-secret", client=client)
        for ask in (
            adapter.models,
            lambda: adapter.complete(ASK, default_endpoint(kind)),
            lambda: list(adapter.stream(ASK, default_endpoint(kind))),
        ):
            with pytest.raises(ProviderError) as caught:
                ask()
            assert (caught.value.kind, caught.value.status) == ("auth", 401)
            assert "wrong-and-secret" not in f"{caught.value!r} {adapter!r} {vars(caught.value)}"


def test_a_key_that_the_provider_repeats_is_masked() -> None:
    reply = Reply(b'{"error": {"message": "I do not know my-private-words"}}', status=401)
    with ReplayServer(reply) as server, new_client() as client, pytest.raises(ProviderError) as caught:
        open_adapter("openai", base_url=server.base_url, api_key="my-private-words", client=client).complete(ASK, "chat/completions")

    assert "my-private-words" not in str(caught.value)


def test_a_redirect_is_refused_so_that_the_key_stays_here() -> None:
    with ReplayServer() as elsewhere, new_client() as client:
        with ReplayServer(Reply(status=307, headers={"location": elsewhere.base_url})) as server, pytest.raises(ProviderError) as caught:
            open_adapter("openai", base_url=server.base_url, api_key="k", client=client).complete(ASK, "chat/completions")

        assert (caught.value.kind, caught.value.retryable) == ("network", False)
        assert elsewhere.requests == []


def test_an_error_that_never_ends_is_cut_short() -> None:
    with ReplayServer(Reply(b"no " * 1000, status=500, content_type="text/plain", endless=True)) as server, new_client() as client:
        with pytest.raises(ProviderError) as caught:
            open_adapter("openai", base_url=server.base_url, client=client).complete(ASK, "chat/completions")

        assert (caught.value.kind, caught.value.status) == ("network", 500)
        assert server.hung_up.wait(10)


def test_retry_after_reaches_the_caller() -> None:
    reply = Reply(b'{"error": {"message": "Rate limit reached"}}', status=429, headers={"retry-after": "3"})
    with ReplayServer(reply) as server, new_client() as client, pytest.raises(ProviderError) as caught:
        list(open_adapter("openai", base_url=server.base_url, client=client).stream(ASK, "chat/completions"))

    assert (caught.value.kind, caught.value.retry_after) == ("rate-limit", 3)


def test_words_are_handed_on_as_they_arrive() -> None:
    with ReplayServer(Reply(openai_stream(), content_type=SSE), pace=0.05) as server, new_client() as client:
        started = time.perf_counter()
        stream = open_adapter("openai", base_url=server.base_url, client=client).stream(ASK, "chat/completions")
        next(stream)
        first = time.perf_counter() - started
        list(stream)

        assert first < (time.perf_counter() - started) / 2


def test_a_compressed_stream_is_read_too() -> None:
    reply = Reply(gzip.compress(openai_stream()), content_type=SSE, headers={"content-encoding": "gzip"}, split=1)
    with ReplayServer(reply) as server, new_client() as client:
        assert fold(open_adapter("openai", base_url=server.base_url, client=client).stream(ASK, "chat/completions")).text == TEXT


def test_broken_compression_is_a_provider_error() -> None:
    reply = Reply(b"not gzip at all", content_type=SSE, headers={"content-encoding": "gzip"})
    with ReplayServer(reply) as server, new_client() as client, pytest.raises(ProviderError):
        list(open_adapter("openai", base_url=server.base_url, client=client).stream(ASK, "chat/completions"))
