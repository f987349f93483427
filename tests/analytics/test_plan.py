"""The plan covers every slot of a question once, with the widest rows that fit."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.analytics.plan import Span, family, plan
from lib.store.grains import GRAINS, Dimension, Grain, Subject

subjects = st.sampled_from(["usage", "latency", "errors"])
dimensions = st.sets(st.sampled_from(["model", "user", "source", "key"]))
spans = st.lists(st.builds(Span, st.integers(0, 3), st.integers(0, 300), st.integers(0, 300)), max_size=5)


@given(subjects, st.none() | dimensions, spans)
def test_every_slot_counts_once_for_its_bucket(subject: Subject, needed: set[Dimension] | None, asked: list[Span]) -> None:
    parts = plan(subject, needed, asked)
    given_slots = Counter((s.bucket, slot) for s in asked for slot in range(s.low, s.high))
    assert Counter((s.bucket, slot) for part in parts for s in part.spans for slot in range(s.low, s.high)) == given_slots
    for part in parts:
        if part.grain is not None:
            assert part.grain.subject == subject
            assert needed is not None and needed <= set(part.grain.dimensions)
            assert all(s.low % part.grain.slots == s.high % part.grain.slots == 0 for s in part.spans)


def test_a_local_day_half_an_hour_off_takes_few_rows() -> None:
    parts = plan("usage", {"model"}, [Span(0, 37, 37 + 48)])
    rows = {part.grain.slots if part.grain else 0: sum(s.high - s.low for s in part.spans) for part in parts}
    assert rows == {6: 42, 1: 6}


_SUBJECTS: tuple[Subject, ...] = ("usage", "latency", "errors")
_QUESTIONS: tuple[frozenset[Dimension], ...] = (
    frozenset(),
    frozenset(("model",)),
    frozenset(("user",)),
    frozenset(("source",)),
    frozenset(("key",)),
    frozenset(("user", "key")),
    frozenset(("model", "source")),
)


@pytest.mark.parametrize("grain", GRAINS, ids=lambda grain: str(grain.table.name))
def test_every_rollup_answers_something(grain: Grain) -> None:
    """A rollup that no question reads would cost bytes and writes for nothing."""
    assert any(grain in family(subject, needed) for subject in _SUBJECTS for needed in _QUESTIONS)
