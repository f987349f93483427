"""The models table: states in words, filters, and moves that lose nobody."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.credentials import KeyStatus
from lib.pricing import Price
from lib.registry import Model
from lib.ui.model_find import BLOCKED, GONE, KEYLESS, OFF, ON, SORTS, STATES, STATUSES, UNPRICED, USABLE, Wanted, status
from lib.ui.model_table import moved
from tests.ui.made import PROVIDER, model


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
    assert Wanted(search).found([model()])


def test_every_filter_has_to_pass() -> None:
    one = [model()]
    assert not Wanted("claude gpt").found(one)
    assert Wanted("", ["anthropic"], [USABLE], ["tools", "streaming"]).found(one)
    assert not Wanted(providers=["openai"]).found(one)
    assert not Wanted(states=[OFF]).found(one)
    assert not Wanted(capabilities=["tools", "vision"]).found(one)
    assert not Wanted(owners=["Mine"]).found(one)
    assert Wanted(owners=["Mine"]).found([model(owner_id="me")])


@pytest.mark.parametrize(
    ("one", "states"),
    [
        (model(), {USABLE, ON}),
        (model(is_active=False), {OFF}),
        (model(is_available=False), {ON, BLOCKED, GONE}),
        (model(provider=replace(PROVIDER, key=KeyStatus("missing"))), {ON, BLOCKED, KEYLESS}),
        (model(provider=replace(PROVIDER, key=KeyStatus("unreadable"))), {ON, BLOCKED, KEYLESS}),
        (model(price=None), {USABLE, ON, UNPRICED}),
        (model(price=Price(source_detail="no price")), {USABLE, ON, UNPRICED}),
        (model(price=Price(input=Decimal(0), output=Decimal(0))), {USABLE, ON}),
    ],
)
def test_each_state_finds_the_models_that_are_in_it(one: Model, states: set[str]) -> None:
    one = one if one.price is not None or UNPRICED in states else replace(one, price=Price(input=Decimal(1)))
    assert {name for name in STATES if Wanted(states=[name]).found([one])} == states


def test_any_of_several_states_will_do_and_unpriced_narrows_them() -> None:
    on, off = model(id=1, price=None), model(id=2, is_active=False, price=None)
    priced = model(id=3, price=Price(input=Decimal(1)))
    assert Wanted(states=[ON, OFF]).found([on, off, priced]) == [on, off, priced]
    assert Wanted(states=[ON, UNPRICED]).found([on, off, priced]) == [on]


def test_a_sort_puts_the_unknown_last_and_leaves_equals_in_the_registrys_order() -> None:
    cheap, dear = Price(input=Decimal("0.5"), output=Decimal(9)), Price(input=Decimal(2), output=Decimal(3))
    some = [
        model(id=1, display_name="b", price=None, context_window=None),
        model(id=2, display_name="C", price=dear, context_window=10),
        model(id=3, display_name="a", price=cheap, context_window=20),
        model(id=4, display_name="A", price=cheap, context_window=20),
    ]
    found = {sort: [one.id for one in Wanted(sort=sort).found(some)] for sort in SORTS}
    assert found == {
        "By order": [1, 2, 3, 4],
        "Newest first": [4, 3, 2, 1],
        "By name": [3, 4, 1, 2],
        "By provider": [1, 2, 3, 4],
        "By input price": [3, 4, 2, 1],
        "By output price": [2, 3, 4, 1],
        "By context": [3, 4, 2, 1],
    }


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
