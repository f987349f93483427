"""Putting models in another order with as few of them changed as can be."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from lib.registry.bulk import BulkEdit, BulkPlan
from lib.registry.values import Model

STEP = 10
"""Between two models that are numbered anew, so that others fit between them later."""


def plan_order(models: Sequence[Model], ids: Sequence[int]) -> BulkPlan:
    """Return the changes that put the models ``ids`` in this order, in the places they have now among all ``models``.

    ``models`` are all that belong to the same, in their present order. As few as can be get another number: those that
    move where there is room between their neighbours, else also those they pass or push on.
    """
    by_id, wanted = {model.id: model for model in models}, set(ids)
    moved = iter(ids)
    order = [by_id[next(moved)] if model.id in wanted else model for model in models]
    now = [model.display_order for model in order]
    numbers = min(_between(now), _dealt(now), key=lambda new: sum(a != b for a, b in zip(now, new, strict=True)))
    return BulkPlan(
        tuple(
            BulkEdit(model.id, model.display_name, "display_order", model.display_order, number, model.version)
            for model, number in zip(order, numbers, strict=True)
            if model.display_order != number
        )
    )


def _between(numbers: Sequence[int]) -> list[int]:
    """Return growing numbers, 0 or more, that keep as many as can be of these in their places.

    >>> _between([10, 40, 20, 30]), _between([5, 5, 6]), _between([20, 0, 10])
    ([10, 15, 20, 30], [2, 5, 6], [0, 1, 10])
    """
    kept = _growing(numbers)
    made: list[int] = []
    for start, end in zip([-1, *kept], [*kept, len(numbers)], strict=True):
        low, count = made[-1] if made else -1, end - start - 1
        if end == len(numbers):
            made += [low + STEP * place for place in range(1, count + 1)]
            break
        step = max(1, (numbers[end] - low) // (count + 1))  # where there is no room, those behind give way as far as they must
        made += [low + step * place for place in range(1, count + 1)]
        made.append(max(numbers[end], made[-1] + 1 if made else 0))
    return made


def _dealt(numbers: Sequence[int]) -> list[int]:
    """Return the same numbers in growing order, equal ones told apart by the next that are free.

    >>> _dealt([11, 10, 12]), _dealt([5, 5, 6])
    ([10, 11, 12], [5, 6, 7])
    """
    dealt: list[int] = []
    for number in sorted(numbers):
        dealt.append(max(number, dealt[-1] + 1 if dealt else 0))
    return dealt


def _growing(numbers: Sequence[int]) -> list[int]:
    """Return the places of a longest part of the numbers that grows strictly."""
    ends: list[int] = []
    places: list[int] = []
    before: list[int] = []
    for place, number in enumerate(numbers):
        length = bisect_left(ends, number)
        before.append(places[length - 1] if length else -1)
        ends[length : length + 1] = [number]
        places[length : length + 1] = [place]
    found: list[int] = []
    at = places[-1] if places else -1
    while at >= 0:
        found.append(at)
        at = before[at]
    return found[::-1]
