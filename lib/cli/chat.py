"""``chat``: ask one model one thing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from lib.cli.output import emit, json_option, plain

if TYPE_CHECKING:
    from lib.chat import Usage
    from lib.routing import Item, Notice
    from lib.usage import Attempt


@dataclass
class Answer:
    """What came back of one call."""

    text: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


@click.command()
@click.argument("model")
@click.argument("prompt")
@click.option("--system", metavar="TEXT", help="System prompt.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
@json_option
def chat(model: str, prompt: str, system: str | None, no_stream: bool, as_json: bool) -> None:
    """Ask MODEL the PROMPT (- reads it from standard input); the answer goes to stdout, its figures to stderr."""
    from lib.chat import Message
    from lib.cli.session import session
    from lib.services import ChatCall

    if prompt == "-":
        prompt = sys.stdin.read().strip()
    if not prompt:
        raise click.UsageError("The prompt is empty.")
    call = ChatCall(model=model, messages=(Message("user", prompt),), system=system, source="cli")
    with session() as opened:
        if no_stream:
            routed = opened.services.complete(opened.principal, call)
            answer = Answer(routed.completion.text, list(routed.attempts), list(routed.notices))
        else:
            items = opened.services.chat(opened.principal, call)
            answer = gather(items, None if as_json else _print, None if as_json else _tell)
    if as_json:
        emit(True, answer_document(answer), ())
        return
    if no_stream:
        for notice in answer.notices:
            _tell(notice)
    click.echo(_shown(answer.text) if no_stream else "")
    click.echo(strip(answer), err=True)


def gather(events: Iterable[Item], show: Callable[[str], None] | None = None, tell: Callable[[Notice], None] | None = None) -> Answer:
    """Collect a call's text, attempts and notices, handing each piece of text to ``show`` and each notice to ``tell`` as it comes."""
    from lib.chat import TextDelta
    from lib.routing import Notice
    from lib.usage import Attempt

    answer, pieces = Answer(), list[str]()
    for event in events:
        match event:
            case TextDelta():
                pieces.append(event.text)
                if show is not None:
                    show(event.text)
            case Attempt():
                answer.attempts.append(event)
            case Notice():
                answer.notices.append(event)
                if tell is not None:
                    tell(event)
    answer.text = "".join(pieces)
    return answer


def strip(answer: Answer) -> str:
    """Return the figures of the attempt that answered: first token, speed, tokens, cost, where its price is from."""
    from lib.money import format_usd

    last = answer.attempts[-1]
    parts = [] if last.ttft_ms is None else [f"first token {last.ttft_ms:,} ms"]
    if last.usage is None:
        parts.append("tokens not reported")
    else:
        speed = _tokens_per_second(last)
        parts += [] if speed is None else [f"{speed:.1f} tokens/s"]
        cached = f" ({last.usage.cache_read:,} cached)" if last.usage.cache_read else ""
        parts.append(f"{last.usage.input:,} in{cached}, {last.usage.output:,} out")
    parts.append(format_usd(last.cost_nano_usd))
    if last.price_source:
        parts.append(f"price: {last.price_source}")
    if any(attempt.model_key != last.model_key for attempt in answer.attempts):
        parts.append(f"answered by {last.model_name}")
    if len(answer.attempts) > 1:
        parts.append(f"{len(answer.attempts)} attempts")
    return " · ".join(parts)


def answer_document(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON; costs are exact, as an integer of nano-dollars and as a decimal string of dollars."""
    last = answer.attempts[-1]
    speed = _tokens_per_second(last)
    return {
        "text": answer.text,
        "model": last.model_key,
        "provider": last.provider,
        "request_id": last.request_id,
        "finish_reason": last.finish_reason,
        "usage": _usage(last.usage),
        **_cost(last),
        "ttft_ms": last.ttft_ms,
        "latency_ms": last.latency_ms,
        "tokens_per_second": None if speed is None else round(speed, 1),
        "attempts": [
            {
                "attempt": attempt.attempt,
                "model": attempt.model_key,
                "provider": attempt.provider,
                "endpoint": attempt.endpoint,
                "status": attempt.status,
                "error": None if attempt.error is None else {"kind": attempt.error.kind, "message": str(attempt.error)},
                "usage": _usage(attempt.usage),
                **_cost(attempt),
                "ttft_ms": attempt.ttft_ms,
                "latency_ms": attempt.latency_ms,
            }
            for attempt in answer.attempts
        ],
        "notices": [
            {"kind": notice.kind, "model": notice.model_key, "reason": notice.reason, "sentence": notice.sentence}
            for notice in answer.notices
        ],
    }


def _cost(attempt: Attempt) -> dict[str, Any]:
    from lib.cli.amounts import usd_text

    return {"cost_nano_usd": attempt.cost_nano_usd, "cost_usd": usd_text(attempt.cost_nano_usd), "price_source": attempt.price_source}


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    names = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
    return {f"{name}_tokens": getattr(usage, name) for name in names} | {"extra": dict(usage.extra)}


def _tokens_per_second(attempt: Attempt) -> float | None:
    if attempt.usage is None or not attempt.latency_ms:
        return None
    writing = attempt.latency_ms - (attempt.ttft_ms or 0)
    return attempt.usage.output / ((writing or attempt.latency_ms) / 1000)


def _print(text: str) -> None:
    click.echo(_shown(text), nl=False)
    sys.stdout.flush()


def _tell(notice: Notice) -> None:
    click.echo(plain(notice.sentence), err=True)


def _shown(text: str) -> str:
    """Return text as it is for a file or pipe, and without control characters for a terminal."""
    return plain(text) if sys.stdout.isatty() else text
