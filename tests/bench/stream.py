"""Bench: what our adapter costs over raw httpx on a streamed completion of 200 chunks.

Both sides read the same bytes from a server in another process over a real loopback socket, each on one
connection that it keeps. A round is one completion of each, in alternating order; the result is the median of
the rounds' ratios.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from lib.chat import Message, Request, TextDelta
from lib.net import new_client
from lib.providers import open_adapter

TARGET = 1.3
CHUNKS = 200
_ROOT = Path(__file__).resolve().parents[2]
_MESSAGES: list[Any] = [{"role": "user", "content": "Count to two hundred."}]
_WORDS = ("Every", " word", " arrives", " on", " its", " own", ",", " like", " this", ".")


def measure_others(rounds: int = 60) -> list[dict[str, Any]]:
    """Measure the same for other clients that are installed (the extra ``bench``), to stand beside; none has a target."""
    rows = []
    for name, module, opened in (("OpenAI SDK", "openai", _openai), ("LiteLLM SDK", "litellm", _litellm)):
        if importlib.util.find_spec(module) is None:
            print(f"Left out: {name}, which is not installed; install the extra bench to compare.", file=sys.stderr)
            continue
        with _server() as base_url, httpx.Client(trust_env=False) as theirs:
            body = json.dumps({"model": "bench-model", "messages": _MESSAGES, "stream": True}).encode()
            raw = partial(_raw, theirs, f"{base_url}/chat/completions", body)
            other = opened(base_url)
            for _ in range(5):
                if other() != raw():
                    raise AssertionError("the two sides read different answers")
            pairs = [_round(n, other, raw) for n in range(rounds)]
        ratio = round(statistics.median(mine / least for mine, least in pairs), 3)
        rows.append({"name": f"200-chunk stream: {name} / raw httpx", "ratio": ratio, "target": None, "details": {"rounds": rounds}})
    return rows


def _openai(base_url: str) -> Callable[[], int]:
    import openai

    client = openai.OpenAI(base_url=base_url, api_key="bench")

    def ask() -> int:
        chunks = client.chat.completions.create(model="bench-model", messages=_MESSAGES, stream=True)
        return sum(len(chunk.choices[0].delta.content or "") for chunk in chunks if chunk.choices)

    return ask


def _litellm(base_url: str) -> Callable[[], int]:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would fetch its prices from the network otherwise
    import litellm

    def ask() -> int:
        chunks = litellm.completion(model="openai/bench-model", messages=_MESSAGES, stream=True, api_base=base_url, api_key="bench")
        return sum(len(chunk.choices[0].delta.content or "") for chunk in chunks if chunk.choices)

    return ask


def measure_stream(rounds: int = 400) -> dict[str, Any]:
    """Measure and return {name, ratio, target, details}; times in microseconds per completion."""
    request = Request("bench-model", [Message("user", "Count to two hundred.")])
    with _server() as base_url, new_client() as ours, httpx.Client(trust_env=False) as theirs:
        adapter = open_adapter("openai", base_url=base_url, api_key="bench", client=ours)
        body = json.dumps({"model": "bench-model", "messages": [{"role": "user", "content": "Count to two hundred."}], "stream": True})

        def through_adapter() -> int:
            return sum(len(event.text) for event in adapter.stream(request, "chat/completions") if isinstance(event, TextDelta))

        def raw() -> int:
            return _raw(theirs, f"{base_url}/chat/completions", body.encode())

        for _ in range(20):
            if through_adapter() != raw():
                raise AssertionError("the two sides read different answers")
        pairs = [_round(n, through_adapter, raw) for n in range(rounds)]
    return {
        "name": "200-chunk stream: adapter / raw httpx",
        "ratio": round(statistics.median(mine / other for mine, other in pairs), 3),
        "target": TARGET,
        "details": {
            "rounds": rounds,
            "adapter_us": round(statistics.median(mine for mine, _ in pairs) * 1e6),
            "raw_us": round(statistics.median(other for _, other in pairs) * 1e6),
        },
    }


def _raw(client: httpx.Client, url: str, body: bytes) -> int:
    """The least one can do: split at blank lines, parse, take the text."""
    length = 0
    rest = b""
    headers = {"authorization": "Bearer bench", "content-type": "application/json"}
    with client.stream("POST", url, content=body, headers=headers) as response:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            *blocks, rest = (rest + chunk).split(b"\n\n")
            for block in blocks:
                data = block[6:]
                if data == b"[DONE]":
                    continue
                choices = json.loads(data)["choices"]
                if choices:
                    length += len(choices[0]["delta"].get("content") or "")
    return length


def _round(n: int, mine: Callable[[], int], other: Callable[[], int]) -> tuple[float, float]:
    if n % 2:
        return _timed(mine), _timed(other)
    second = _timed(other)
    return _timed(mine), second


def _timed(run: Callable[[], int]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@contextmanager
def _server() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.stream", "--serve"], cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    event = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1750000000,
        "model": "bench-model",
        "system_fingerprint": "fp_bench",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def _serve() -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": CHUNKS, "total_tokens": CHUNKS + 12}
    events = [_chunk({"content": _WORDS[n % len(_WORDS)]}) for n in range(CHUNKS)]
    last = [_chunk({}, "stop"), b"data: " + json.dumps({"model": "bench-model", "choices": [], "usage": usage}).encode() + b"\n\n"]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    pieces = [head, *(b"%x\r\n%b\r\n" % (len(e), e) for e in (*events, *last, b"data: [DONE]\n\n")), b"0\r\n\r\n"]
    with socket.create_server(("127.0.0.1", 0), backlog=8) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_answer, args=(connection, pieces), daemon=True).start()


def _answer(connection: socket.socket, pieces: list[bytes]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while _read_request(connection):
            for piece in pieces:
                connection.sendall(piece)


def _read_request(connection: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            return False
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return True


if __name__ == "__main__":
    if "--serve" in sys.argv:
        _serve()
    else:
        print(json.dumps(measure_stream(), indent=2))
