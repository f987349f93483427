"""Answers that take tools: the model asks, registered functions answer, round after round, until it has what it needs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import uuid4

from lib.chat import Finish, FinishReason, Message, Part, Reasoning, ReasoningDelta, Text, TextDelta, ToolCall, ToolResult
from lib.net import pause
from lib.routing.router import Router
from lib.routing.toolbox import Toolbox
from lib.routing.values import Candidate, Item, RoutedCall
from lib.usage import Attempt

ROUNDS = 8
"""Rounds a call may take unless told otherwise."""

ToolOutcome = Literal["answered", "limit", "cut"]


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """The model is asked once more; ``number`` counts from 1, ``request_id`` is the round's own in the ledger."""

    number: int
    request_id: str


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """A tool has run, or could not: what goes back to the model."""

    round: int
    call: ToolCall
    result: ToolResult


@dataclass(frozen=True, slots=True)
class ToolsDone:
    """The last item of all: how it ended, after how many rounds, and the turns to add to the conversation.

    ``outcome`` is "answered"; "limit" when the model still asked for tools in the last round allowed, which were
    not run; or "cut" when its answer was cut off while it asked, so that what it asked for cannot be trusted.
    ``sentence`` says so to people, None after an answer. ``turns`` can be handed back as they are: no call in them
    is without a result.
    """

    outcome: ToolOutcome
    rounds: int
    turns: tuple[Message, ...]
    sentence: str | None = None


ToolItem = Item | RoundStarted | ToolAnswered | ToolsDone


def run(
    router: Router,
    call: RoutedCall,
    toolbox: Toolbox,
    *,
    rounds: int = ROUNDS,
    new_id: Callable[[], str] = lambda: str(uuid4()),
) -> Generator[ToolItem, None, None]:
    """Yield everything that happens until the model answers without asking for a tool, ToolsDone last.

    Each round is a request of its own in the ledger, with its own id, usage and cost, in the call's conversation; the
    first one keeps the call's id. Calls of one round run one after the other, in the order the model made them.
    The toolbox's tools stand in for the request's own. Raises what the router raises; closing the generator, or its
    stopper, ends it, between two tools as well.
    """
    if rounds < 1:
        raise ValueError("at least one round")
    turns: list[Message] = []
    for number in range(1, rounds + 1):
        yield RoundStarted(number, call.request_id)
        turn = _Turn()
        for item in router.stream(_with(call, toolbox, turns)):
            turn.take(item)
            yield item
        if not turn.calls:
            yield ToolsDone("answered", number, (*turns, *turn.messages()))
            return
        if turn.finish not in ("tool_calls", "stop", "other"):
            words = "The answer was cut off while the model asked for a tool. Allow more output, or ask for less at once."
            yield ToolsDone("cut", number, (*turns, *turn.messages(calls=False)), words)
            return
        if number == rounds:
            break
        results: list[ToolResult] = []
        for asked in turn.calls:
            pause(0)  # whoever left meanwhile wants no more tools to run
            result = toolbox.execute(asked)
            results.append(result)
            yield ToolAnswered(number, asked, result)
        turns += [*turn.messages(), Message("tool", results)]
        call = replace(call, request_id=new_id(), candidates=_first(call, turn.attempt))
    words = (
        f"The model still asked for tools after {rounds} {'round' if rounds == 1 else 'rounds'}. Ask more narrowly, or allow more rounds."
    )
    yield ToolsDone("limit", rounds, (*turns, *turn.messages(calls=False)), words)


class _Turn:
    """The model's turn, put together from its events in the order they came."""

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []
        self.finish: FinishReason | None = None
        self.attempt: Attempt | None = None
        self._parts: list[Part] = []

    def take(self, item: Item) -> None:
        match item:
            case Attempt():
                self.attempt = item
            case Finish():
                self.finish = item.reason
            case _:
                self._add(item)

    def messages(self, *, calls: bool = True) -> tuple[Message, ...]:
        """Return the turn as a message, without its calls when nobody answers them; nothing when it is empty."""
        parts = self._parts if calls else [part for part in self._parts if isinstance(part, Text)]
        return (Message("assistant", tuple(parts)),) if parts else ()

    def _add(self, item: Item) -> None:
        last = self._parts[-1] if self._parts else None
        match item:
            case TextDelta(text) if isinstance(last, Text):
                self._parts[-1] = Text(last.text + text)
            case TextDelta(text):
                self._parts.append(Text(text))
            case ReasoningDelta(text, opaque) if isinstance(last, Reasoning) and last.opaque is None:
                self._parts[-1] = Reasoning(last.text + text, opaque)  # the signed form follows the words it signs
            case ReasoningDelta(text, opaque):
                self._parts.append(Reasoning(text, opaque))
            case ToolCall():
                self._parts.append(item)
                self.calls.append(item)


def _with(call: RoutedCall, toolbox: Toolbox, turns: Sequence[Message]) -> RoutedCall:
    """Return a round's call. What forces a tool holds for the first round alone: forced for good, it would never answer."""
    request = call.request
    choice = request.tool_choice if not turns or request.tool_choice == "none" else None
    return replace(call, request=replace(request, messages=(*request.messages, *turns), tools=toolbox.tools, tool_choice=choice))


def _first(call: RoutedCall, attempt: Attempt | None) -> tuple[Candidate, ...]:
    """Put the model that answered first: reasoning that is handed back is signed for it, and no other can read it."""
    if attempt is None:
        return call.candidates
    answered = (attempt.provider, attempt.model_key)
    return tuple(sorted(call.candidates, key=lambda candidate: candidate.pair != answered))
