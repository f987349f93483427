"""Another order reaches the database as planned, changes as few models as can be, and is refused whole when it is out of date."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from lib.errors import StaleVersion
from lib.registry import ordering
from lib.registry.ordering import plan_order
from tests.registry.conftest import House
from tests.ui.made import model


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Numbers of models in their order, some of them equal, and some of those models in another order."""
    numbers = sorted(draw(st.lists(st.integers(0, 60), max_size=12)))
    chosen = draw(st.lists(st.sampled_from(range(len(numbers))), unique=True)) if numbers else []
    return numbers, chosen


@given(cases())
def test_the_order_is_the_one_asked_for_and_the_others_keep_theirs(case: tuple[list[int], list[int]]) -> None:
    numbers, chosen = case
    models = [model(id=place, display_order=number, version=place + 1) for place, number in enumerate(numbers)]
    plan = plan_order(models, chosen)
    after = {one.id: one.display_order for one in models} | {edit.model_id: edit.after for edit in plan.edits}
    moved = iter(chosen)
    asked = [next(moved) if one.id in chosen else one.id for one in models]
    assert sorted(after, key=lambda model_id: (after[model_id], model_id)) == asked
    assert all(number >= 0 for number in after.values())
    assert all(
        (edit.field, edit.before, edit.version) == ("display_order", numbers[edit.model_id], edit.model_id + 1) for edit in plan.edits
    )


def test_one_model_that_moves_far_is_the_only_one_that_changes() -> None:
    models = [model(id=place, display_order=10 * place) for place in range(2_000)]
    ids = [one.id for one in models]
    plan = plan_order(models, [ids[1_500], *ids[:1_500], *ids[1_501:]])
    assert [(edit.model_id, edit.after) for edit in plan.edits] == [(1_500, 0), (0, 1)], "before the first there is no room"
    plan = plan_order(models, [*ids[:3], ids[1_500], *ids[3:1_500], *ids[1_501:]])
    assert [(edit.model_id, 20 < edit.after < 30) for edit in plan.edits] == [(1_500, True)]


@pytest.mark.parametrize("step", [1, 10])
def test_two_neighbours_change_places_without_anybody_else(step: int) -> None:
    models = [model(id=place, display_order=5 + step * place) for place in range(2_000)]
    ids = [one.id for one in models]
    plan = plan_order(models, [*ids[:7], ids[8], ids[7], *ids[9:]])
    assert {edit.model_id for edit in plan.edits} <= {7, 8}


def test_it_is_written_undone_and_refused_when_somebody_was_faster(database_engine: Engine, tmp_path: Path) -> None:
    registry = House(tmp_path, database_engine).registry()
    registry.seed()
    models = registry.models()
    keys, ids = [one.model_key for one in models], [one.id for one in models]
    plan = plan_order(models, ids[::-1])
    undo = registry.apply(plan)
    assert [one.model_key for one in registry.models()] == keys[::-1]
    registry.undo(undo)
    assert [one.model_key for one in registry.models()] == keys
    models = registry.models()
    plan = plan_order(models, ids[::-1])
    registry.update_model(plan.edits[0].model_id, vendor="Somebody")
    with pytest.raises(StaleVersion):
        registry.apply(plan)
    assert [one.model_key for one in registry.models()] == keys


def test_the_examples_hold() -> None:
    assert doctest.testmod(ordering).failed == 0
