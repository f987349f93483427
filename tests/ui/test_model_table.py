"""The models table: states in words, filters, and moves that lose nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.credentials import KeyStatus
from lib.registry import Model
from lib.ui.model_table import BLOCKED, OFF, STATUSES, USABLE, matches, moved, status
from tests.ui.made import PROVIDER, model

NO_FILTER: dict[str, list[str]] = {"providers": [], "statuses": [], "capabilities": []}


def rows(count: int) -> list[Model]:
    return [model(id=number) for number in range(1, count + 1)]


orders = st.integers(0, 12).flatmap(lambda n: st.tuples(st.just(rows(n)), st.sets(st.integers(1, n or 1)), st.sampled_from([-1, 1])))


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (model(), USABLE),
        (model(is_active=False), OFF),
        (model(is_available=False), BLOCKED),
        (model(provider=replace(PROVIDER, key=KeyStatus("missing"))), BLOCKED),
        (model(is_active=False, provider=replace(PROVIDER, key=KeyStatus("missing"))), OFF),
    ],
)
def test_a_state_is_one_of_the_words_the_filter_offers(one: Model, word: str) -> None:
    assert status(one) == word
    assert word in STATUSES


@pytest.mark.parametrize("search", ["", "claude", "CLAUDE anthropic", "  upstream  ", "anth"])
def test_a_search_finds_names_whatever_their_case_and_order(search: str) -> None:
    assert matches(model(), search=search, **NO_FILTER)


def test_every_filter_has_to_pass() -> None:
    one = model()
    assert not matches(one, search="claude gpt", **NO_FILTER)
    assert matches(one, search="", providers=["anthropic"], statuses=[USABLE], capabilities=["tools", "streaming"])
    assert not matches(one, search="", providers=["openai"], statuses=[], capabilities=[])
    assert not matches(one, search="", providers=[], statuses=[OFF], capabilities=[])
    assert not matches(one, search="", providers=[], statuses=[], capabilities=["tools", "vision"])


@settings(deadline=None)
@given(orders)
def test_moving_keeps_everybody_and_the_order_within_both_groups(case: tuple[list[Model], set[int], int]) -> None:
    models, chosen, step = case
    before = [one.id for one in models]
    after = moved(models, sorted(chosen), step)
    assert sorted(after) == before
    assert [i for i in after if i in chosen] == [i for i in before if i in chosen]
    assert [i for i in after if i not in chosen] == [i for i in before if i not in chosen]


@settings(deadline=None)
@given(orders)
def test_each_chosen_model_moves_one_place_or_stands_at_the_edge(case: tuple[list[Model], set[int], int]) -> None:
    models, chosen, step = case
    before = [one.id for one in models]
    after = moved(models, sorted(chosen), step)
    for number in chosen & set(before):
        travelled = after.index(number) - before.index(number)
        edge = before[: before.index(number)] if step < 0 else before[before.index(number) + 1 :]
        assert travelled == (0 if set(edge) <= chosen else step)


@settings(deadline=None)
@given(orders)
def test_away_from_the_edges_a_move_and_its_opposite_undo_each_other(case: tuple[list[Model], set[int], int]) -> None:
    models, chosen, step = case
    before = [one.id for one in models]
    if chosen & {before[0] if before else 0, before[-1] if before else 0}:
        return
    by_id = {one.id: one for one in models}
    there = [by_id[number] for number in moved(models, sorted(chosen), step)]
    assert moved(there, sorted(chosen), -step) == before
