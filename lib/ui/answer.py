"""An answer on its way to the page: streamed, coalesced, stoppable, and the strip beneath it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import streamlit as st

from lib.chat import ReasoningDelta, TextDelta
from lib.errors import CredentialError, ModeldeckError, ModelNotUsable, ProviderError
from lib.money import exact_usd, format_usd
from lib.routing import Item, Notice
from lib.ui import format as fmt
from lib.ui.pump import pump
from lib.usage import Attempt

FLUSH_SECONDS = 0.06
"""The page is drawn, and looks whether it was stopped, at most and at least this often: each draw sends the whole answer so far."""

PRICE_WORDS: Mapping[str, str] = {
    "seed": "built-in price",
    "catalogue": "catalogue price",
    "manual": "price set by hand",
    "sync": "synced price",
}

_ICONS: Mapping[str, str] = {"skipped": ":material/skip_next:", "fell-back": ":material/alt_route:", "last-resort": ":material/warning:"}


@dataclass
class Answer:
    """What came back so far; it outlives a stop, so that nothing already shown is lost."""

    model_name: str
    text: str = ""
    reasoning: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    problem: str | None = None
    needs_key: bool = False
    done: bool = False

    @property
    def stopped(self) -> bool:
        """Whether it was cut off before its end.

        Asked only of an answer that the page's run at hand does not draw itself: the run that did may still be about
        to notice, since the one a click starts does not wait for it.
        """
        return not self.done and self.problem is None

    @property
    def last(self) -> Attempt | None:
        """The attempt that ended the call, once it is closed."""
        return self.attempts[-1] if self.attempts else None


def ask(answer: Answer, call: Callable[[], Iterator[Item]], clock: Callable[[], float] = time.monotonic) -> None:
    """Make a call and draw its answer while it arrives; on a stop keep what came, on a failure keep its sentence."""
    reasoning, shown, waiting, stop = st.empty(), st.empty(), st.empty(), st.empty()
    # Its click, like any other on the page, ends this script where it stands and draws the page anew. The chat input's
    # own stop button is no substitute: it stays, and the input stays shut, when a fragment runs right after the answer.
    stop.button("Stop", icon=":material/stop_circle:", key="stop-answer")
    began = drawn_at = clock()
    drawn = 0
    try:
        with closing(pump(call(), FLUSH_SECONDS)) as arriving:
            for event in arriving:
                match event:
                    case TextDelta():
                        answer.text += event.text
                    case ReasoningDelta():
                        answer.reasoning += event.text
                    case Attempt():
                        answer.attempts.append(event)
                    case Notice():
                        answer.notices.append(event)
                size, now = len(answer.text) + len(answer.reasoning), clock()
                if now - drawn_at < FLUSH_SECONDS:
                    continue
                if size > drawn:
                    _draw(reasoning, shown, answer, running=True)
                elif size == 0:
                    waiting.caption(waiting_words(answer, now - began))
                if size:
                    waiting.empty()  # even when nothing is new: a stop takes effect at a call such as this
                drawn, drawn_at = size, now
        answer.done = True
    except ModeldeckError as error:
        answer.problem = str(error)
        answer.needs_key = isinstance(error, CredentialError) or (isinstance(error, ModelNotUsable) and error.needs_key)
    except Exception:  # the page's boundary logs and shows it now; this is for the times it is drawn again
        answer.problem = "Something unexpected went wrong with this answer. The server's log says what."
        raise
    waiting.empty()
    stop.empty()
    _draw(reasoning, shown, answer, running=False)


def waiting_words(answer: Answer, seconds: float) -> str:
    """Return what to show while nothing has come: for how long, and the last thing that happened on the way."""
    said = f" · {fmt.literal(answer.notices[-1].sentence)}" if answer.notices else ""
    return f":material/hourglass_top: Waiting for the first token… {seconds:.0f} s{said}"


def _draw(reasoning: st.delta_generator.DeltaGenerator, shown: st.delta_generator.DeltaGenerator, answer: Answer, *, running: bool) -> None:
    if answer.reasoning:
        with reasoning.expander("Reasoning", icon=":material/psychology:", expanded=running and not answer.text):
            st.markdown(answer.reasoning)
    if answer.text:
        shown.markdown(answer.text + (" ▌" if running else ""))


def finished(answer: Answer) -> None:
    """Draw an answer that is no longer arriving, with its failure if it had one."""
    _draw(st.empty(), st.empty(), answer, running=False)


def footer(answer: Answer) -> None:
    """Draw what follows an answer: its failure or stop, earlier attempts, the way it took, and the strip of figures."""
    if answer.problem:
        st.error(fmt.literal(answer.problem), icon=":material/error:")
    elif answer.stopped:
        st.caption(":material/stop_circle: Stopped. What arrived is kept; the provider may still charge for it.")
    for attempt in answer.attempts[:-1]:
        if attempt.error is not None:
            st.caption(f":material/replay: Attempt {attempt.attempt} failed: {fmt.literal(str(attempt.error))}")
    for notice in answer.notices:
        if notice.kind != "waiting":  # what was waited for is told by the attempt that failed
            st.caption(f"{_ICONS.get(notice.kind, ':material/info:')} {fmt.literal(notice.sentence)}")
    if answer.last is not None and answer.last.status == "ok" and answer.last.model_name != answer.model_name:
        st.caption(f":material/alt_route: Answered by {fmt.literal(answer.last.model_name)} at {fmt.literal(answer.last.provider_name)}.")
    if answer.last is not None:
        st.caption(strip(answer.last), help=detail(answer.last))


def strip(attempt: Attempt) -> str:
    """Return one line of figures: first token, speed, tokens, cost and where its price is from."""
    usage = attempt.usage
    started = attempt.ttft_ms is not None
    parts = [f":material/timer: first token {fmt.duration(attempt.ttft_ms)}" if started or usage else ":material/timer: no token came"]
    if usage is None:
        parts.append("tokens not reported")
    else:
        writing = None if attempt.latency_ms is None or attempt.ttft_ms is None else attempt.latency_ms - attempt.ttft_ms
        parts.append(fmt.rate(usage.output, writing or attempt.latency_ms))
        cached = f" ({fmt.count(usage.cache_read)} cached)" if usage.cache_read else ""
        parts.append(f"{fmt.count(usage.input)} in{cached} · {fmt.count(usage.output)} out")
    if usage is not None or started or attempt.status != "error":  # a failure before the first token has no cost to name
        parts.append(f"**{format_usd(attempt.cost_nano_usd).replace('$', '&#36;')}**")
    if attempt.price_source:
        parts.append(PRICE_WORDS.get(attempt.price_source, attempt.price_source))
    return " · ".join(parts)


def detail(attempt: Attempt) -> str:
    """Return the strip's tooltip: exact cost, total time, model and request id."""
    lines = [
        f"{attempt.model_name} at {attempt.provider_name}",
        f"Status: {attempt.status}" + (f" ({attempt.error.kind})" if isinstance(attempt.error, ProviderError) else ""),
        f"Total time: {fmt.duration(attempt.latency_ms)}",
        f"Cost: {exact_usd(attempt.cost_nano_usd)}".replace("$", "&#36;"),
    ]
    if attempt.usage is not None and attempt.usage.reasoning:
        lines.append(f"Reasoning tokens: {fmt.count(attempt.usage.reasoning)}")
    lines.append(f"Request: {attempt.request_id}")
    return "  \n".join(lines)
