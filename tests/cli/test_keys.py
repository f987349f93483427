"""A provider's key goes in by stdin, is tried for real, and never comes out again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .conftest import Run

pytestmark = pytest.mark.usefixtures("seeded")
GOOD = "good-0123456789-CANARY"
BAD = "bad-0123456789-CANARY"
CHUNKS = (
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "ready"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}},
)


class Provider(BaseHTTPRequestHandler):
    """Speaks enough of the chat format to try a key; anything but the good key is a 401 that repeats it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({"object": "list", "data": [{"id": "some-model", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body.get("stream"):
            self._send(200, "text/event-stream", "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS) + "data: [DONE]\n\n")
            return
        message = {"role": "assistant", "content": "ready"}
        self._answer({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": CHUNKS[2]["usage"]})

    def _answer(self, document: object) -> None:
        self._send(200, "application/json", json.dumps(document))

    def _send(self, status: int, kind: str, text: str) -> None:
        if self.headers.get("api-key") != GOOD:
            status, kind = 401, "application/json"
            text = json.dumps(
                {"error": {"message": f"Incorrect API key provided: {self.headers.get('api-key')}", "code": "invalid_api_key"}}
            )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def source(run: Run, provider: str, **environ: str) -> str:
    return next(str(row["source"]) for row in run("keys", "list", "--json", **environ).document if row["provider"] == provider)


def test_a_key_that_works_is_tried_and_stored(run: Run, endpoint: str) -> None:
    ran = run("keys", "set", "azure", "--json", input=f"{GOOD}\n", AZURE_OPENAI_ENDPOINT=endpoint)
    assert ran.code == 0, ran.err
    assert (ran.document["source"], ran.document["tested"]) == ("stored", True)
    assert GOOD not in ran.out + ran.err
    assert source(run, "azure", AZURE_OPENAI_ENDPOINT=endpoint) == "stored"


def test_a_key_that_the_provider_refuses_is_not_stored_nor_repeated(run: Run, endpoint: str) -> None:
    ran = run("keys", "set", "azure", input=BAD, AZURE_OPENAI_ENDPOINT=endpoint)
    assert (ran.code, ran.out) == (1, "")
    assert "not stored" in ran.err
    assert BAD not in ran.err
    assert source(run, "azure", AZURE_OPENAI_ENDPOINT=endpoint) == "missing"


def test_a_key_may_be_stored_untested_and_removed(run: Run, tmp_path: Path) -> None:
    assert run("keys", "set", "openai", "--no-test", input="sk-canary-0123456789abcdef").code == 0
    assert source(run, "openai") == "stored"
    files = b"".join(file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file())
    assert b"sk-canary-0123456789abcdef" not in files
    assert run("keys", "remove", "openai").code == 0
    assert source(run, "openai") == "missing"
    assert run("keys", "remove", "openai").code == 1


def test_no_key_is_wrong_usage_and_there_is_no_option_that_would_put_it_into_the_process_list(run: Run) -> None:
    assert run("keys", "set", "openai", input=" \n").code == 2
    assert run("keys", "set", "openai", "sk-canary-0123456789abcdef").code == 2
    assert run("keys", "set", "nobody", input="x").code == 1


def test_the_list_tells_where_each_key_is_from_and_never_the_key(run: Run) -> None:
    ran = run("keys", "list", OPENAI_API_KEY="sk-canary-0123456789abcdef")
    assert ran.code == 0
    assert "environment" in ran.out
    assert "none needed" in ran.out
    assert "canary" not in ran.out


def test_generated_keys_differ_and_touch_nothing(run: Run, tmp_path: Path) -> None:
    place = {"MODELDECK_DATA_DIR": str(tmp_path / "new")}
    first, second = run("keys", "generate", **place).out, run("keys", "generate", "--json", **place).document["encryption_key"]
    assert first.strip() != second
    assert not (tmp_path / "new").exists()


def test_rotation_keeps_every_key_readable(run: Run, tmp_path: Path) -> None:
    run("keys", "set", "openai", "--no-test", input="sk-canary-0123456789abcdef")
    old = (tmp_path / "data" / "encryption.key").read_text()
    assert run("keys", "rotate", "--json").document == {"rewritten": 1, "unreadable": []}
    assert (tmp_path / "data" / "encryption.key").read_text() != old
    assert source(run, "openai") == "stored"


def test_a_rotation_of_a_key_from_the_settings_reads_the_new_one_and_says_to_set_it(run: Run) -> None:
    new = run("keys", "generate").out.strip()
    run("keys", "set", "openai", "--no-test", input="sk-canary-0123456789abcdef", ENCRYPTION_KEY="the old key of this server")
    assert run("keys", "rotate", input="", ENCRYPTION_KEY="the old key of this server").code == 2
    ran = run("keys", "rotate", input=new, ENCRYPTION_KEY="the old key of this server")
    assert ran.code == 0
    assert "set ENCRYPTION_KEY" in ran.out
    assert new not in ran.out + ran.err
    assert source(run, "openai", ENCRYPTION_KEY=new) == "stored"
    assert source(run, "openai", ENCRYPTION_KEY="the old key of this server") == "unreadable"
