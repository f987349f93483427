"""The Overview and Costs pages' figures, held against the log, and what they say when there is nothing to show."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lib.access import LOCAL_ADMIN
from lib.money import format_usd
from tests.analytics.rows import recomputed
from tests.pages.deck import Deck, charts, clean, words
from tests.pages.filling import FREE, PRICED, UNPRICED
from tests.pages.test_usage import exact_cost, figure, log


def test_a_first_visit_shows_the_way_to_the_first_call_and_offers_sample_data(deck: Deck) -> None:
    at = deck.open("overview")
    clean(at)
    assert [s.value for s in at.subheader] == ["Three steps to the first call"]
    assert at.button(key="sample-load").label == "Load sample data"
    assert charts(at) == []


def test_sample_data_comes_with_one_button_is_labelled_and_leaves_with_one(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.ui.sample_notice.CALLS", 400)
    monkeypatch.setattr("lib.ui.sample_notice.DAYS", 6)
    at = deck.open("overview")
    at.button(key="sample-load").click().run()
    clean(at)
    assert "Sample data" in words(at)
    assert figure(at, "Requests") != "0"
    for page in ("usage", "costs"):
        assert "Made-up calls are among these figures" in words(deck.open(page))
    at = deck.open("overview")
    at.button(key="sample-clear").click().run()
    assert not deck.services.has_sample()
    assert "Made-up calls" not in words(at)


def test_the_overview_ranks_models_by_their_exact_cost(filled: Deck) -> None:
    at = filled.open("overview")
    clean(at)
    told = recomputed(log(filled))
    assert exact_cost(at) == told.cost_nano_usd > 0
    top = next(d.value for d in at.dataframe if "Model" in d.value.columns)
    costs: dict[str, int] = {}
    for row in log(filled):
        costs[row["model_name"]] = costs.get(row["model_name"], 0) + (row["cost_nano_usd"] or 0)
    dearest = max(costs, key=lambda name: costs[name])
    assert (top["Model"][0], top["Cost"][0]) == (dearest, format_usd(costs[dearest]))
    assert top["Share"][0] == pytest.approx(100 * costs[dearest] / told.cost_nano_usd)


def test_unpriced_calls_are_among_what_wants_attention_and_in_the_queue(filled: Deck) -> None:
    name = filled.services.registry(LOCAL_ADMIN).get(UNPRICED).display_name
    at = filled.open("overview")
    assert f"Unpriced: {name}" in words(at)
    at = filled.open("costs")
    clean(at)
    queue = next(d.value for d in at.dataframe if "Unpriced calls" in d.value.columns)
    assert name in set(queue["Model"])
    assert sum(queue["Unpriced calls"]) == recomputed(log(filled)).unpriced


def test_whose_key_paid_adds_up_to_the_whole_and_is_told_in_words(filled: Deck) -> None:
    at = filled.open("costs")
    clean(at)
    table = next(d.value for d in at.dataframe if "Key" in d.value.columns)
    told, system = recomputed(log(filled)), recomputed(log(filled, lambda row: row["key_scope"] == "system"))
    assert set(table["Key"]) == {"System key", "No key needed"}
    assert (sum(table["Requests"]), sum(table["Tokens"]), sum(table["Unpriced"])) == (told.requests, told.tokens, told.unpriced)
    paid = table[table["Key"] == "System key"].iloc[0]
    assert (paid["Cost"], paid["Requests"]) == (format_usd(system.cost_nano_usd), system.requests)


@pytest.mark.parametrize("by", ["model", "provider", "user", "source"])
def test_every_breakdown_of_costs_adds_up_to_the_whole(filled: Deck, by: str) -> None:
    at = filled.open("costs", by=by.capitalize())
    clean(at)
    table = next(d.value for d in at.dataframe if by.capitalize() in d.value.columns and "Course" in d.value.columns)
    told = recomputed(log(filled))
    assert sum(table["Requests"]) == told.requests
    assert sum(table["Share"]) == pytest.approx(1)
    assert sum(sum(course) for course in table["Course"]) == pytest.approx(told.cost_nano_usd / 1e9)


def test_unit_costs_are_the_whole_divided(filled: Deck) -> None:
    at = filled.open("costs")
    told = recomputed(log(filled))
    assert figure(at, "Cost per request") == "\\" + format_usd(round(Decimal(told.cost_nano_usd) / told.requests))
    assert figure(at, "Blended per 1M") == "\\" + format_usd(
        round(Decimal(told.cost_nano_usd) * 1_000_000 / (told.input_tokens + told.output_tokens))
    )


def test_two_models_of_one_name_are_told_apart_by_their_providers(filled: Deck) -> None:
    for key in (FREE, PRICED):
        filled.admin.update_model(filled.admin.get(key).id, display_name="Twin")
    at = filled.open("overview")
    clean(at)
    top = next(d.value for d in at.dataframe if "Model" in d.value.columns)
    names = {model.provider.display_name for key in (FREE, PRICED) if (model := filled.admin.get(key))}
    assert {f"Twin ({name})" for name in names} <= set(top["Model"])
    assert {f"Twin ({name})" for name in names} <= set(at.multiselect(key="by-model").options)


def test_a_shared_filter_names_keys_so_that_a_renamed_model_keeps_its_link(filled: Deck) -> None:
    old = filled.admin.get(PRICED).display_name
    at = filled.open("overview")
    at.multiselect(key="by-model").select(PRICED).run()
    assert at.query_params["by-model"] in (PRICED, [PRICED])
    told = exact_cost(at)
    assert exact_cost(filled.open("overview", **{"by-model": old})) == told, "links of older versions name the model as it is called"
    filled.admin.update_model(filled.admin.get(PRICED).id, display_name="A new name")
    again = filled.open("overview", **{"by-model": PRICED})
    assert again.multiselect(key="by-model").value == [PRICED]
    assert exact_cost(again) == told


def test_a_model_nobody_can_price_costs_nothing_known_on_average(filled: Deck) -> None:
    table = next(d.value for d in filled.open("costs").dataframe if "Course" in d.value.columns)
    row = table[table["Model"] == filled.admin.get(UNPRICED).display_name].iloc[0]
    assert (row["Cost"], row["Per request"], row["Per 1M tokens"]) == ("unpriced", "–", "–")
