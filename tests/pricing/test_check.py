"""The price check: what differs is told rate by rate, and what is taken charges calls as the catalogue does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.chat import Usage
from lib.pricing import Price, PriceSource, Rates, Tier, cost
from lib.pricing.catalogue import CataloguePrice
from lib.pricing.check import RateChange, Subject, compare, rate_changes, same_rates, taken
from lib.pricing.price import RATE_NAMES

D = Decimal
SPRING, SUMMER = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
OURS = Price(input=D(3), output=D(15), cache_read=D("0.3"), cache_write_5m=D("3.75"), source="seed")
THEIRS = Price(input=D("2.5"), output=D(15), cache_read=D("0.25"), source="catalogue", source_detail="genai-prices 1, vendor/model")


def subject(price: Price | None, *dated: Price) -> Subject:
    return Subject(1, "model", "Model", "vendor/model", price, dated)


def test_a_row_tells_each_rate_that_differs_before_and_after() -> None:
    row = compare([subject(OURS)], {"vendor/model": CataloguePrice("vendor/model", THEIRS)})[0]
    assert row.state == "differs"
    assert row.changes == (RateChange("Input", D(3), D("2.5")), RateChange("Cache read", D("0.3"), D("0.25")))
    assert row.offered is not None and row.offered.source == "catalogue"
    assert row.taken_by_all


def test_a_rate_the_catalogue_does_not_name_is_kept_not_forgotten() -> None:
    offered = taken(OURS, THEIRS)
    assert offered.cache_write_5m == D("3.75")
    usage = Usage(input=10, output=1, cache_write=4)
    assert cost(THEIRS, usage) is None
    assert cost(offered, usage) is not None
    assert taken(replace(OURS, extra_rates={"images": D("0.04")}), THEIRS).extra_rates == {"images": D("0.04")}


def test_reasoning_without_a_rate_costs_what_output_does() -> None:
    assert same_rates(replace(OURS, reasoning=D(15)), OURS)
    assert rate_changes(replace(OURS, reasoning=D(20)), OURS) == (RateChange("Reasoning", D(20), D(15)),)
    assert taken(replace(OURS, reasoning=D(20)), THEIRS).reasoning is None


@pytest.mark.parametrize(
    ("price", "state", "by_all"),
    [
        (None, "missing", True),
        (Price(source_detail="no price"), "missing", True),
        (taken(OURS, THEIRS), "same", False),
        (replace(taken(OURS, THEIRS), source="manual"), "same", False),
        (OURS, "differs", True),
        (replace(OURS, source="catalogue"), "differs", True),
        (replace(OURS, source="manual"), "own", False),
        (replace(OURS, source="sync"), "own", False),
    ],
)
def test_a_price_somebody_decided_is_listed_but_never_taken_by_all(price: Price | None, state: str, by_all: bool) -> None:
    row = compare([subject(price)], {"vendor/model": CataloguePrice("vendor/model", THEIRS)})[0]
    assert (row.state, row.taken_by_all) == (state, by_all)


def test_what_the_catalogue_does_not_know_is_unknown_and_offers_nothing() -> None:
    rows = compare([subject(OURS), replace(subject(OURS), reference=None)], {})
    assert [(r.state, r.is_open) for r in rows] == [("unknown", False)] * 2


def test_announced_prices_are_offered_with_their_dates_until_they_are_stored() -> None:
    now = taken(OURS, THEIRS)
    cheaper, dearer = replace(THEIRS, input=D(2), valid_from=SPRING), replace(THEIRS, input=D(4), valid_from=SUMMER)
    known = {"vendor/model": CataloguePrice("vendor/model", THEIRS, (cheaper, dearer))}
    row = compare([subject(now)], known)[0]
    assert row.state == "announced"
    assert row.offered is None
    assert [(p.valid_from, p.input, p.cache_write_5m) for p in row.announced] == [(SPRING, D(2), D("3.75")), (SUMMER, D(4), D("3.75"))]
    assert row.changes == (RateChange("Input", D("2.5"), D(2)),)
    half = compare([subject(now, row.announced[0])], known)[0]
    assert half.announced == row.announced[1:]
    assert compare([subject(now, *row.announced)], known)[0].state == "same"
    wrong = replace(row.announced[0], input=D(9))
    assert compare([subject(now, wrong, row.announced[1])], known)[0].announced == row.announced[:1], "a date stored with other rates"
    assert compare([subject(now, wrong, row.announced[0], row.announced[1])], known)[0].state == "same", "of one date the last counts"
    own = compare([subject(replace(now, source="manual"))], known)[0]
    assert (own.state, own.taken_by_all) == ("announced", False)


def test_tiers_are_told_apart_from_the_rates_below_them() -> None:
    tiered = replace(OURS, tiers=(Tier(200_000, Rates(input=D(6), output=D("22.5"))),))
    assert rate_changes(OURS, tiered) == (
        RateChange("Input above 200,000 tokens", D(3), D(6)),
        RateChange("Output above 200,000 tokens", D(15), D("22.5")),
    )
    assert rate_changes(replace(OURS, input=D(2)), OURS) == rate_changes(
        replace(OURS, input=D(2), tiers=(Tier(9, Rates(output=D(15))),)), OURS
    ), "a change below a tier that holds above it too is told once"


def test_a_fee_per_piece_is_told_as_such() -> None:
    assert rate_changes(OURS, replace(OURS, extra_rates={"web_searches": D("0.01")})) == (
        RateChange("Web searches", None, D("0.01"), each=True),
    )


rates = st.none() | st.decimals(min_value=0, max_value=60, places=3)
tiers = st.lists(st.tuples(st.integers(1, 400), rates, rates), max_size=2, unique_by=lambda t: t[0])
extras = st.dictionaries(st.sampled_from(["web_searches", "requests"]), st.decimals(min_value=0, max_value=1, places=3))


@st.composite
def prices(draw: st.DrawFn, source: PriceSource = "seed") -> Price:
    return Price(
        *(draw(rates) for _ in RATE_NAMES),
        tiers=tuple(Tier(above, Rates(input=i, output=o)) for above, i, o in draw(tiers)),
        extra_rates=draw(extras),
        source=source,
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    plain, read, short, long, said, thought = (draw(st.integers(0, 300)) for _ in range(6))
    extra = {"web_searches": n} if (n := draw(st.integers(0, 2))) else {}
    return Usage(plain + read + short + long, said + thought, read, short + long, thought, long, extra)


@given(prices(), prices(), st.lists(usages(), max_size=8))
def test_prices_without_a_difference_charge_every_call_alike(one: Price, other: Price, calls: list[Usage]) -> None:
    for right in (other, replace(one, source="catalogue")):
        if same_rates(one, right):
            assert [cost(one, u) for u in calls] == [cost(right, u) for u in calls]


@given(prices(), prices("catalogue"), usages())
def test_taking_the_catalogues_price_charges_what_it_charges_and_leaves_nothing_to_take(ours: Price, theirs: Price, usage: Usage) -> None:
    offered = taken(ours, theirs)
    charged = cost(theirs, usage)
    if charged is not None and set(usage.extra) | {"requests"} <= set(theirs.extra_rates) | ({"requests"} - set(ours.extra_rates)):
        assert cost(offered, usage) == charged
    row = compare([subject(replace(offered, source="catalogue"))], {"vendor/model": CataloguePrice("vendor/model", theirs)})[0]
    assert row.state in ("same", "missing")
