"""The documented answers of the MatchaAI gateway read as what they say, and its documented requests are what is sent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from lib.chat import Message, Request, Usage, fold
from lib.net import new_client
from lib.providers import open_adapter
from tests.replay import split_at_random
from tests.wire import Pieces

_DIR = os.environ.get("CONFORMANCE_DIR")
if not _DIR:
    pytest.skip("CONFORMANCE_DIR is not set: no documented answers of MatchaAI to read", allow_module_level=True)


def load(name: str) -> Any:
    return json.loads((Path(_DIR or "") / "matchaai" / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", load("nonstream_cases.json")["cases"], ids=lambda case: case["name"])
def test_a_whole_answer(case: dict[str, Any]) -> None:
    asked = case["request"]
    turns = asked.get("messages") or [{"role": "user", "content": asked["input"]}]
    request = Request(str(asked.get("options", {}).get("responseLLM", "")), [Message(t["role"], t["content"]) for t in turns])
    with new_client(httpx.MockTransport(lambda _: httpx.Response(case["status"], json=case["body"]))) as client:
        adapter = open_adapter("matchaai", base_url="https://matcha.test/api", api_key="k", client=client, mission_id=asked["mission_id"])
        answer = adapter.complete(request, "completions")

    expected = case["expected"]
    assert answer.text in expected.get("text_accept", [expected.get("text")])
    if usage := expected.get("usage"):
        parts = usage.values()
        assert answer.usage == Usage(sum(part["input_tokens"] for part in parts), sum(part["output_tokens"] for part in parts))
        assert answer.model == str(usage["response"]["llm_id"])
    else:
        assert answer.usage is None


@pytest.mark.parametrize("variant", ["body", "body_variant_blank_lines"])
@pytest.mark.parametrize("seed", range(8))
def test_the_stream_in_pieces(variant: str, seed: int) -> None:
    case = load("stream_case.json")
    expected, response = case["expected"], case["response"]
    pieces = Pieces(split_at_random(response[variant].encode(), seed))
    answer = httpx.Response(200, stream=pieces, headers={"content-type": response["content_type"]})
    with new_client(httpx.MockTransport(lambda _: answer)) as client:
        adapter = open_adapter("matchaai", base_url="https://matcha.test/api", api_key="k", client=client, mission_id=424)
        said = fold(adapter.stream(Request("87", (Message("user", "What?"),)), "completions"))

    usage = expected["usage"]
    assert (said.text, said.finish_reason, said.model) == (expected["text"], "stop", str(expected["llm_id"]))
    assert said.usage == Usage(
        usage["input_tokens"], usage["output_tokens"], cache_read=usage["cache_read_tokens"], reasoning=usage["reasoning_tokens"]
    )
