"""The demo provider: answers offline, always the same to the same request, and fails on demand."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from lib.chat import (
    Completion,
    Event,
    Finish,
    FinishReason,
    Image,
    ReasoningDelta,
    Request,
    Text,
    TextDelta,
    ToolCall,
    ToolResult,
    Usage,
    fold,
)
from lib.errors import ProviderError, StreamTruncated
from lib.providers.adapter import ModelInfo, check_endpoint
from lib.providers.catalog import ProviderKind
from lib.providers.errors import classify

CHAT, REASONER, RATE_LIMIT, TIMEOUT, TRUNCATED = "demo-chat", "demo-reasoner", "demo-rate-limit", "demo-timeout", "demo-truncated"
MODELS = (
    ModelInfo(CHAT, "Demo chat", 32_768, 4_096),
    ModelInfo(REASONER, "Demo reasoner", 32_768, 4_096),
    ModelInfo(RATE_LIMIT, "Demo: rate limit", 32_768, 4_096),
    ModelInfo(TIMEOUT, "Demo: timeout", 32_768, 4_096),
    ModelInfo(TRUNCATED, "Demo: truncated answer", 32_768, 4_096),
)
_FAILS_AS = {RATE_LIMIT: "rate-limit", TIMEOUT: "timeout", TRUNCATED: "truncated"}

LABEL = "[Demo answer, written on this machine without any model.]"
_OPENINGS = (
    "Here is what a streamed answer looks like.",
    "This text stands in for a model's reply.",
    "A real model would now work on your question.",
)
_MIDDLES = (
    "Each word arrives on its own, so the time to the first one and the pace of the rest can be watched.",
    "The tokens of this call are counted, priced and written to the ledger like those of any provider.",
    "The same question always brings the same words, which makes it good for trying out pages and dashboards.",
    "Nothing you type here leaves this machine.",
    "Pick one of the other demo models to see how a rate limit, a timeout or a broken stream is shown.",
    "The stop button cuts the stream off, and the usage page then shows the call as cancelled.",
)
_OF_THE_LEDGER = (_MIDDLES[1], _MIDDLES[5])
"""What is true only where calls are recorded."""
_CLOSINGS = (
    "Add a provider's key on the Providers page to talk to a real model.",
    "When you are ready, paste a key and switch a real model on.",
    "That is all this demonstration has to say.",
)
_THOUGHTS = (
    "The question is short, so the reply can be short as well.",
    "First I look at what was asked, then at how long the answer should be.",
    "No model is at work here, so I choose among prepared sentences.",
)
_FIRST_TOKEN_SECONDS = 0.35
_WORD_SECONDS = 0.028
_TIMEOUT_SECONDS = 4.0
_TOKENS_PER_IMAGE = 85


class Demo:
    """An adapter without a network.

    ``pace`` scales its waiting: 1 streams like a real model, 0 does not wait. The model id decides how it
    behaves, or ``request.extra["demo"]`` does: "rate-limit", "timeout" or "truncated".
    """

    def __init__(
        self, kind: ProviderKind, *, pace: float = 1.0, sleep: Callable[[float], None] = time.sleep, recorded: bool = True
    ) -> None:
        self._kind = kind
        self._recorded = recorded
        self._pace = pace
        self._sleep = sleep
        self.endpoints = kind.endpoints

    def complete(self, request: Request, endpoint: str) -> Completion:
        """Return the whole answer, after as long as streaming it would have taken."""
        return fold(self.stream(request, endpoint))

    def stream(self, request: Request, endpoint: str) -> Iterator[Event]:
        """Yield the answer word by word, or fail the way the model is named after."""
        check_endpoint(self._kind, endpoint)
        return self._events(request)

    def models(self) -> list[ModelInfo]:
        """Return the demo models."""
        return list(MODELS)

    def _events(self, request: Request) -> Iterator[Event]:
        if request.model not in {model.id for model in MODELS}:
            raise self._refused(404, "model_not_found", f"The model {request.model} does not exist.")
        fails_as = request.extra.get("demo", _FAILS_AS.get(request.model))
        self._fail_before(fails_as)
        answer = _Answer(request, self._recorded)
        for n, piece in enumerate(answer.thoughts):
            self._wait(_WORD_SECONDS if n else _FIRST_TOKEN_SECONDS)
            yield ReasoningDelta(piece)
        words = answer.words[: max(3, len(answer.words) // 2)] if fails_as == "truncated" else answer.words
        for n, piece in enumerate(words):
            self._wait(_WORD_SECONDS if n or answer.thoughts else _FIRST_TOKEN_SECONDS)
            yield TextDelta(piece)
        if fails_as == "truncated":
            raise StreamTruncated(provider=self._kind.kind)
        yield from answer.calls
        yield answer.usage()
        yield Finish(answer.reason, request.model)

    def _fail_before(self, fails_as: Any) -> None:
        if fails_as == "rate-limit":
            self._wait(_FIRST_TOKEN_SECONDS)
            raise self._refused(429, "rate_limit_exceeded", "Rate limit reached for the demo. Please try again in 20s.")
        if fails_as == "timeout":
            self._wait(_TIMEOUT_SECONDS)
            raise classify(None, {}, b"", provider=self._kind.kind, exception=httpx.ReadTimeout("timed out"))

    def _refused(self, status: int, code: str, message: str) -> ProviderError:
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        return classify(status, {}, body, provider=self._kind.kind)

    def _wait(self, seconds: float) -> None:
        if self._pace > 0:
            self._sleep(seconds * self._pace)


class _Answer:
    """What the demo says to one request, drawn from the request itself."""

    def __init__(self, request: Request, recorded: bool) -> None:
        self._request = request
        self._middles = [said for said in _MIDDLES if recorded or said not in _OF_THE_LEDGER]
        choose = random.Random(hashlib.sha256(repr((request.system, request.messages)).encode()).digest())
        self.thoughts = _pieces(" ".join(choose.sample(_THOUGHTS, 2))) if request.model == REASONER else []
        self.calls = _calls(request)
        self.reason: FinishReason = "tool_calls" if self.calls else "stop"
        text = "" if self.calls else self._text(choose)
        for stop in request.stop:
            text = text.partition(stop)[0] if stop else text
        self.words = _pieces(text)
        room = None if request.max_tokens is None else max(0, request.max_tokens - len(self.thoughts))
        if room is not None and len(self.words) > room:
            self.words, self.reason = self.words[:room], "length"

    def _text(self, choose: random.Random) -> str:
        sentences = [choose.choice(_OPENINGS), *choose.sample(self._middles, choose.randint(2, 4)), choose.choice(_CLOSINGS)]
        if self._request.response_format not in (None, "text"):
            return json.dumps({"demo": True, "label": LABEL, "answer": " ".join(sentences)})
        asked = next((_words_of(m.parts) for m in reversed(self._request.messages) if m.role == "user"), "")
        quoted = f"You wrote: “{asked[:80].strip()}{'…' if len(asked) > 80 else ''}”" if asked.strip() else ""
        return "\n\n".join(part for part in (LABEL, quoted, " ".join(sentences)) if part)

    def usage(self) -> Usage:
        """Count about as a tokenizer would; the turns before the last one come from the cache, as with real providers."""
        request = self._request
        sizes = [_tokens(m.parts) for m in request.messages]
        system = _tokens((Text(request.system),)) if request.system else 0
        later = len(sizes) > 1
        cached = system + sum(sizes[:-1]) if later else 0
        output = len(self.thoughts) + len(self.words) + 8 * len(self.calls)
        return Usage(
            input=system + sum(sizes),
            output=output,
            cache_read=cached,
            cache_write=0 if later else system,
            reasoning=len(self.thoughts),
        )


def _calls(request: Request) -> list[ToolCall]:
    """Call every offered tool that the last message names, unless results have come back already."""
    if not request.tools or not request.messages or any(isinstance(p, ToolResult) for p in request.messages[-1].parts):
        return []
    asked = _words_of(request.messages[-1].parts)
    return [ToolCall(f"demo_call_{n}", tool.name, {}) for n, tool in enumerate(request.tools) if tool.name in asked]


def _words_of(parts: Any) -> str:
    return " ".join(part.text for part in parts if isinstance(part, Text))


def _tokens(parts: Any) -> int:
    written = sum(len(p.text) if isinstance(p, Text) else len(p.content) if isinstance(p, ToolResult) else 0 for p in parts)
    return 3 + (written + 3) // 4 + _TOKENS_PER_IMAGE * sum(isinstance(p, Image) for p in parts)


def _pieces(text: str) -> list[str]:
    """Split a text into words, each with the space before it."""
    words = text.split(" ") if text else []
    return [word if n == 0 else f" {word}" for n, word in enumerate(words)]
