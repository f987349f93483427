"""A local server that answers as providers do, for tests that need the real thing on a real socket.

With no replies given it speaks for itself, as an OpenAI-compatible and as an Anthropic server at once
(``POST …/chat/completions``, ``POST …/responses``, ``POST …/messages``, ``GET …/models``), and as those of
tests/replay_native.py. With replies it sends those, in order, the last one again and again; ``recorded(path)`` makes
one from a conformance recording.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from tests import replay_native, replay_responses

WORDS = ("Water", " is", " wet", " because", " it", " sticks", " to", " you", ".")
TEXT = "".join(WORDS)
OPENAI_MODEL, ANTHROPIC_MODEL = "gpt-replay-2025-08-07", "claude-replay-20250929"
OPENAI_USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 34,
    "total_tokens": 1234,
    "prompt_tokens_details": {"cached_tokens": 1000},
    "completion_tokens_details": {"reasoning_tokens": 20},
}
ANTHROPIC_USAGE = {
    "input_tokens": 150,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 50,
    "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20},
    "output_tokens": 34,
}


@dataclass(frozen=True)
class Reply:
    """One answer to send.

    ``split`` is a seed: the body then arrives in pieces cut at random offsets, otherwise event by event.
    ``cut`` is the byte after which the connection breaks. ``endless`` repeats the body until the client hangs up.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    split: int | None = None
    cut: int | None = None
    endless: bool = False

    def pieces(self) -> Iterator[bytes]:
        """Yield the body in the pieces it is sent in."""
        if self.split is not None:
            yield from split_at_random(self.body, self.split)
        elif "ndjson" in self.content_type:
            yield from self.body.splitlines(keepends=True)
        elif "event-stream" in self.content_type:
            yield from (event + b"\n\n" for event in self.body.split(b"\n\n") if event)
        elif self.body:
            yield self.body


@dataclass(frozen=True)
class Received:
    """One request that came in; header names are in lower case, ``connection`` numbers the TCP connection."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    connection: int


class ReplayServer:
    """``with ReplayServer(...) as server``: listens on a free loopback port until the block ends.

    ``api_key`` refuses every other key with 401. ``pace`` is seconds between two pieces of a stream.
    ``hung_up`` is set when a client left in the middle of an answer.
    """

    def __init__(self, *replies: Reply, api_key: str | None = None, pace: float = 0.0) -> None:
        self.requests: list[Received] = []
        self.hung_up = threading.Event()
        self._replies = list(replies)
        self._api_key = api_key
        self._pace = pace
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections = 0
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> ReplayServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        """The base URL to enter for a provider, with /v1."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def connections(self) -> int:
        """How many TCP connections clients have opened."""
        return self._connections

    def next_connection(self) -> int:
        """Number a connection that was just accepted."""
        with self._lock:
            self._connections += 1
            return self._connections

    def answer(self, request: Received) -> Reply:
        """Note a request and return what to send."""
        with self._lock:
            self.requests.append(request)
            if not self._key_fits(request.headers):
                return _wrong_key(request.path)
            if self._replies:
                return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return _own_reply(request)

    def wait(self) -> None:
        """Pass the time between two pieces; a server that stops does not wait."""
        if self._pace:
            self._stopping.wait(self._pace)

    def _key_fits(self, headers: Mapping[str, str]) -> bool:
        names = ("x-api-key", "api-key", "x-goog-api-key", "matcha-api-key")
        given = (headers.get("authorization", "").removeprefix("Bearer "), *map(headers.get, names))
        return self._api_key is None or self._api_key in given


def recorded(path: Path, split: int | None = None) -> Reply:
    """Return the response of a conformance recording."""
    response = json.loads(path.read_text(encoding="utf-8"))["response"]
    return Reply(response["body"].encode(), response["status"], response["content_type"], split=split)


def split_at_random(body: bytes, seed: int) -> list[bytes]:
    """Cut bytes at random offsets, in the middle of characters and line ends too."""
    choose = random.Random(seed)
    cuts = sorted(choose.sample(range(1, len(body)), min(len(body) - 1, choose.choice((3, 30, 300))))) if len(body) > 1 else []
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]


def sse(*documents: Any, named: bool = False, done: bool = True) -> bytes:
    """Write documents as an event stream; ``named`` adds the event lines that Anthropic sends."""
    events = [(f"event: {d['type']}\n" if named else "") + f"data: {json.dumps(d, ensure_ascii=False)}\n\n" for d in documents]
    return ("".join(events) + ("data: [DONE]\n\n" if done else "")).encode()


def openai_stream() -> bytes:
    """Return the stream of an OpenAI-compatible server: words, finish, then usage beside empty choices."""
    chunk = {"id": "chatcmpl-replay", "object": "chat.completion.chunk", "created": 1750000000, "model": OPENAI_MODEL}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": word} for word in WORDS)]
    chunks = [{**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    finish = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return sse(*chunks, finish, {**chunk, "choices": [], "usage": OPENAI_USAGE})


def openai_whole() -> bytes:
    """Return the same answer in one piece."""
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return _json({"id": "chatcmpl-replay", "object": "chat.completion", "model": OPENAI_MODEL, "choices": [choice], "usage": OPENAI_USAGE})


def anthropic_stream() -> bytes:
    """Return the stream of an Anthropic server."""
    start = {**ANTHROPIC_USAGE, "output_tokens": 1}
    message = {"id": "msg_replay", "type": "message", "role": "assistant", "model": ANTHROPIC_MODEL, "content": [], "usage": start}
    deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in WORDS]
    return sse(
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 34}},
        {"type": "message_stop"},
        named=True,
        done=False,
    )


def anthropic_whole() -> bytes:
    """Return the same answer in one piece."""
    content = [{"type": "text", "text": TEXT}]
    message = {"id": "msg_replay", "type": "message", "role": "assistant", "model": ANTHROPIC_MODEL, "content": content}
    return _json({**message, "stop_reason": "end_turn", "usage": ANTHROPIC_USAGE})


def _own_reply(request: Received) -> Reply:
    streamed = isinstance(request.body, dict) and bool(request.body.get("stream"))
    anthropic = "anthropic-version" in request.headers
    if request.path.endswith("/models"):
        model = ANTHROPIC_MODEL if anthropic else OPENAI_MODEL
        row = {"id": model, "display_name": "Claude Replay"} if anthropic else {"id": model, "object": "model"}
        return Reply(_json({"object": "list", "data": [row], "models": replay_native.model_rows("x-goog-api-key" in request.headers)}))
    if request.path.endswith("/messages"):
        return Reply(anthropic_stream(), content_type="text/event-stream") if streamed else Reply(anthropic_whole())
    if request.path.endswith("/chat/completions"):
        return Reply(openai_stream(), content_type="text/event-stream") if streamed else Reply(openai_whole())
    if request.path.endswith("/responses"):
        body = replay_responses.responses_stream() if streamed else replay_responses.responses_whole()
        return Reply(body, content_type="text/event-stream" if streamed else "application/json")
    if native := replay_native.reply(request.path, request.body):
        return Reply(native[0], content_type=native[1])
    return Reply(_json({"detail": "Not Found"}), status=404)


def _wrong_key(path: str) -> Reply:
    if path.endswith("/messages"):
        return Reply(_json({"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}), status=401)
    error = {"message": "Incorrect API key provided.", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}
    return Reply(_json({"error": error}), status=401)


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, replay: ReplayServer) -> None:
        self.replay = replay
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def setup(self) -> None:
        super().setup()
        self.number = self.server.replay.next_connection()

    def do_GET(self) -> None:
        self._reply()

    def do_POST(self) -> None:
        self._reply()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the requests are kept instead."""

    def _reply(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw) if raw else None
        reply = self.server.replay.answer(Received(self.command, urlsplit(self.path).path, headers, body, self.number))
        self.send_response(reply.status)
        for name, value in {"content-type": reply.content_type, "transfer-encoding": "chunked", **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self._send(reply)
        except OSError:
            self.server.replay.hung_up.set()
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        sent = 0
        while True:
            for piece in reply.pieces():
                if reply.cut is not None and sent + len(piece) >= reply.cut:
                    self._chunk(piece[: reply.cut - sent])
                    self.close_connection = True
                    return
                self._chunk(piece)
                sent += len(piece)
                self.server.replay.wait()
            if not reply.endless:
                break
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, piece: bytes) -> None:
        if piece:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
