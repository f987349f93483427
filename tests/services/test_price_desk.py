"""Prices are checked, taken and taken back without one being changed behind anybody's back, and no call loses or doubles its cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.chat import Usage
from lib.errors import ModeldeckError, NotAllowed, StaleVersion, UnknownModel
from lib.pricing import Price, cost, price_at
from lib.pricing.check import CheckRow, RateChange, same_rates
from lib.services.price_desk import PriceDesk
from lib.services.price_reading import LastCheck
from lib.store.schema import sync_runs
from lib.store.verify import verify
from lib.usage import Alias, AttemptStart, Ledger, Outcome, own_key
from tests.postgres import PostgresServer
from tests.services.market import House

D = Decimal
OPUS, MINI, CUSTOM = "claude-opus-4-6", "gpt-4o-mini", "vllm-custom"
NOW_DEARER = Price(
    input=D(6), output=D(30), cache_read=D("0.6"), cache_write_5m=D("7.5"), cache_write_1h=D(12), extra_rates={"web_searches": D("0.01")}
)
OWNER = "00000000-0000-4000-8000-00000000000a"
USAGE = Usage(input=10_000, output=1_000, cache_read=4_000)


@pytest.fixture(params=["embedded", "postgres"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    settings = {"MODELDECK_DATA_DIR": str(tmp_path / "data")}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        settings |= {"DATABASE_URL": server.url(server.create_ready()), "ENCRYPTION_KEY": "long-enough-for-tests-0123456789"}
    made = House(settings, tmp_path)
    yield made
    made.services.close()


def checked(house: House) -> LastCheck:
    house.desk.check()
    last = house.desk.last()
    assert last is not None
    return last


def row_of(house: House, key: str) -> CheckRow:
    last = house.desk.last()
    assert last is not None
    return next(found.row for found in last.rows if found.row.subject.key == key)


def reference(house: House, key: str) -> str:
    found = house.registry.get(key).priced_as
    assert found is not None
    return found


def charged(house: House, key: str) -> Price:
    price = house.registry.get(key).price
    assert price is not None
    return price


def test_before_the_first_check_there_is_nothing_and_a_check_changes_no_price(house: House) -> None:
    assert house.desk.last() is None
    house.market.says(reference(house, OPUS), NOW_DEARER)
    before, revision = charged(house, OPUS), house.services.revision()
    last = checked(house)
    assert (charged(house, OPUS), house.services.revision()) == (before, revision)
    assert last.at == house.now
    assert [found.row.subject.key for found in last.rows] == [OPUS]
    assert last.counts["differs"] == 1
    assert last.counts["unknown"] == len(house.registry.models()) - 1
    assert RateChange("Input", before.input, D(6)) in last.rows[0].row.changes


def test_the_effect_is_what_last_months_calls_would_have_cost(house: House) -> None:
    price = charged(house, OPUS)
    for days in (1, 12, 29):
        house.call(OPUS, USAGE, house.now - timedelta(days=days))
    house.call(OPUS, USAGE, house.now - timedelta(days=30, seconds=1))
    house.call(OPUS, USAGE, price=Price(input=D(1)))
    house.market.says(reference(house, OPUS), NOW_DEARER)
    effect = checked(house).rows[0].effect
    was, would = cost(price, USAGE), cost(NOW_DEARER, USAGE)
    assert was is not None
    assert would is not None
    assert (effect.calls, effect.cost_nano, effect.would_nano) == (4, 3 * was, 3 * would)
    assert (effect.unpriced, effect.unpriced_nano) == (1, would)


def test_what_is_taken_holds_from_now_on_and_is_taken_back_exactly(house: House) -> None:
    coming = replace(NOW_DEARER, input=D(4), valid_from=house.now + timedelta(days=60))
    house.market.says(reference(house, OPUS), NOW_DEARER, coming)
    house.market.says(
        reference(house, MINI), charged(house, MINI), replace(charged(house, MINI), output=D(9), valid_from=coming.valid_from)
    )
    house.price(CUSTOM, None)
    house.registry.update_model(house.registry.get(CUSTOM).id, priced_as="list/custom")
    house.market.says("list/custom", NOW_DEARER)
    before = {key: house.registry.get(key).price for key in (OPUS, MINI, CUSTOM)}
    rows = {found.row.subject.key: found.row for found in checked(house).rows}
    assert {key: row.state for key, row in rows.items()} == {OPUS: "differs", MINI: "announced", CUSTOM: "missing"}
    house.now += timedelta(minutes=1)
    taken = house.desk.apply(list(rows.values()))
    assert taken.models == 3
    assert same_rates(charged(house, OPUS), NOW_DEARER)
    assert (charged(house, OPUS).source, charged(house, OPUS).valid_from) == ("catalogue", house.now)
    assert same_rates(charged(house, CUSTOM), NOW_DEARER)
    last = house.desk.last()
    assert last is not None
    assert last.rows == (), "what was taken is no difference any more, without another check"
    store, later = house.services.store(LOCAL_ADMIN), house.now + timedelta(days=61)
    ids = {key: house.registry.get(key).id for key in rows}
    outputs = {key: price.output if (price := price_at(store, ids[key], later)) else None for key in (OPUS, MINI)}
    assert outputs == {OPUS: D(30), MINI: D(9)}
    dearer_still = price_at(store, ids[OPUS], later)
    assert dearer_still is not None
    assert same_rates(dearer_still, coming)
    assert dearer_still.source_detail == f"list, {reference(house, OPUS)}"
    house.now += timedelta(minutes=1)
    assert house.desk.undo(taken) == 3
    for key, price in before.items():
        for moment in (house.now, later):
            there = price_at(store, ids[key], moment)
            assert there is not None
            assert same_rates(there, price or Price()), (key, moment)
    assert {row.row.subject.key for row in (house.desk.last() or last).rows} == set(rows)
    assert verify(house.services.engine).ok


def test_nothing_is_taken_that_is_not_as_it_was_shown(house: House) -> None:
    house.market.says(reference(house, OPUS), NOW_DEARER)
    house.market.says(reference(house, MINI), NOW_DEARER)
    checked(house)
    rows = [row_of(house, OPUS), row_of(house, MINI)]
    house.price(MINI, Price(input=D(1), output=D(1)))
    with pytest.raises(StaleVersion, match="is no longer what this page showed"):
        house.desk.apply(rows)
    assert not same_rates(charged(house, OPUS), NOW_DEARER)
    house.market.says(reference(house, OPUS), replace(NOW_DEARER, input=D(99)))
    checked(house)
    with pytest.raises(StaleVersion):
        house.desk.apply(rows[:1])


def test_a_change_in_between_keeps_what_was_taken_from_being_taken_back(house: House) -> None:
    house.market.says(reference(house, OPUS), NOW_DEARER)
    checked(house)
    taken = house.desk.apply([row_of(house, OPUS)])
    house.registry.update_model(house.registry.get(OPUS).id, display_name="Theirs")
    with pytest.raises(StaleVersion):
        house.desk.undo(taken)
    assert same_rates(charged(house, OPUS), NOW_DEARER)


def test_a_price_of_an_admins_own_is_listed_and_not_taken_by_all(house: House) -> None:
    house.price(OPUS, Price(input=D(1), output=D(1)))
    house.market.says(reference(house, OPUS), NOW_DEARER)
    checked(house)
    row = row_of(house, OPUS)
    assert (row.state, row.taken_by_all) == ("own", False)
    house.desk.apply([row])
    assert charged(house, OPUS).input == D(6)


@pytest.mark.parametrize("error", [ImportError("no genai_prices"), ModeldeckError("The list is gone.")])
def test_a_catalogue_that_cannot_be_read_is_said_and_what_was_known_stays(house: House, error: Exception) -> None:
    house.market.broken = error
    with pytest.raises(ModeldeckError) as told:
        house.desk.check()
    first = house.desk.last()
    assert first is not None
    assert (first.at, first.failed_at, first.failure) == (None, house.now, str(told.value))
    house.market.broken = None
    house.market.says(reference(house, OPUS), NOW_DEARER)
    checked(house)
    worked, house.market.broken = house.now, error
    house.now += timedelta(days=1)
    with pytest.raises(ModeldeckError):
        house.desk.check()
    last = house.desk.last()
    assert last is not None
    assert (last.at, last.failed_at, last.differing) == (worked, house.now, 1)
    house.market.broken = None
    house.now += timedelta(hours=1)
    assert checked(house).failure == ""


def test_an_announced_price_counts_once_its_day_has_come(house: House) -> None:
    coming = replace(NOW_DEARER, valid_from=house.now + timedelta(days=3))
    house.market.says(reference(house, OPUS), charged(house, OPUS), coming)
    checked(house)
    house.desk.apply([row_of(house, OPUS)])
    assert not same_rates(charged(house, OPUS), NOW_DEARER)
    house.now += timedelta(days=3)
    assert same_rates(charged(house, OPUS), NOW_DEARER)
    last = house.desk.last()
    assert last is not None
    assert last.rows == (), "what the catalogue charged before that day is not offered again"


def test_an_announced_price_nobody_took_is_offered_as_the_present_one_once_its_day_has_come(house: House) -> None:
    coming = replace(NOW_DEARER, valid_from=house.now + timedelta(days=3))
    house.market.says(reference(house, OPUS), charged(house, OPUS), coming)
    checked(house)
    house.now += timedelta(days=3)
    row = row_of(house, OPUS)
    assert (row.state, row.announced) == ("differs", ())
    house.desk.apply([row])
    assert charged(house, OPUS).valid_from == house.now
    assert same_rates(charged(house, OPUS), NOW_DEARER)


def test_the_queue_names_models_with_unpriced_calls_and_models_on_without_a_price(house: House) -> None:
    registry = house.registry
    registry.set_active([registry.get(CUSTOM).id], True)
    queue = house.desk.unpriced()
    assert [(row.key, row.calls) for row in queue.rows] == [(CUSTOM, 0)]
    long_ago, first, last = (house.now - timedelta(days=days) for days in (31, 20, 2))
    for at in (long_ago, first, last):
        house.call(CUSTOM, Usage(input=70, output=3), at)
    house.call(CUSTOM, None)
    house.call(CUSTOM, Usage(input=1), sample=True)
    house.call(OPUS, USAGE)
    queue = house.desk.unpriced()
    (row,) = queue.rows
    assert (row.key, row.calls, row.input_tokens, row.output_tokens) == (CUSTOM, 2, 140, 6)
    assert (row.first_at, row.last_at, row.price, row.editable) == (first, last, None, True)
    assert (queue.calls, queue.called, queue.tokenless) == (2, 1, 1)
    registry.delete_model(registry.get(CUSTOM).id)
    gone = house.desk.unpriced().rows[0]
    assert (gone.key, gone.model_id, gone.editable) == (CUSTOM, None, False)


def test_calls_of_somebodys_own_model_are_counted_apart_for_their_price_is_the_owners_matter(house: House) -> None:
    provider = house.registry.provider("vllm").id
    own = {
        "model_key": "secret",
        "upstream_id": "s",
        "display_name": "Secret",
        "provider_id": provider,
        "is_active": True,
        "owner_id": OWNER,
    }
    row = house.services.store(LOCAL_ADMIN).insert("llm_models", [own])[0]
    alias = Alias(own_key(row["id"]), "Private model", "vllm", "vLLM")
    start = AttemptStart(OWNER, 1, "secret", "Secret", "vllm", "vLLM", "api", model_id=row["id"], alias=alias)
    ledger = Ledger(house.services.engine, instance_id=OWNER, clock=lambda: house.now - timedelta(hours=1))
    ledger.close(ledger.open(start), Outcome("ok", USAGE))
    queue = house.desk.unpriced()
    assert (queue.rows, queue.private) == ((), 1)
    house.desk.check()
    assert "Secret" not in str(house.desk.last())
    with pytest.raises(UnknownModel):
        house.desk.set_price(row["id"], NOW_DEARER)


def test_setting_a_price_for_past_calls_prices_them_and_holds_from_now_on(house: House) -> None:
    model = house.registry.get(CUSTOM)
    first = house.now - timedelta(days=40)
    for at in (first, house.now - timedelta(days=2)):
        house.call(CUSTOM, Usage(input=1_000, output=10), at)
    price = Price(input=D("0.5"), output=D("1.5"), source="manual")
    filled = house.desk.set_price(model.id, price, past=True)
    assert filled is not None
    assert (filled.calls, filled.cost_nano, filled.left) == (2, 2 * (500_000 + 15_000), 0)
    assert [p.valid_from for p in house.registry.prices(model.id)] == [first]
    assert same_rates(charged(house, CUSTOM), price)
    assert house.desk.unpriced().calls == 0
    assert verify(house.services.engine).ok


def test_a_price_dated_between_stays_for_its_time_and_the_new_one_holds_now(house: House) -> None:
    model = house.registry.get(CUSTOM)
    house.call(CUSTOM, USAGE, house.now - timedelta(days=9))
    half = Price(input=D(1), output=D(1))
    house.price(CUSTOM, half, house.now - timedelta(days=5))
    house.call(CUSTOM, USAGE, house.now - timedelta(days=3))
    whole = replace(half, cache_read=D("0.1"))
    filled = house.desk.set_price(model.id, whole, past=True)
    assert filled is not None
    assert (filled.calls, filled.left) == (1, 1), "the price of that time knows no rate for cached tokens"
    assert same_rates(charged(house, CUSTOM), whole)
    assert house.desk.set_price(model.id, whole) is None
    assert len(house.registry.prices(model.id)) == 3, "what holds already is not stored again"


def test_only_admins_check_and_change_prices_and_members_see_no_queue(house: House) -> None:
    ann, mia = (
        Principal(f"00000000-0000-4000-8000-00000000000{n}", name, role)
        for n, name, role in ((1, "Ann", Role.ANALYST), (2, "Mia", Role.MEMBER))
    )
    desk = PriceDesk(house.services, ann, house.market)
    assert desk.unpriced().calls == 0
    for refused in (desk.check, desk.last, lambda: desk.apply([]), lambda: desk.set_price(1, NOW_DEARER), lambda: desk.price_past(1)):
        with pytest.raises(NotAllowed):
            refused()
    with pytest.raises(NotAllowed):
        PriceDesk(house.services, mia, house.market).unpriced()
    assert house.market.asked == 0


def test_two_thousand_models_are_checked_in_one_run_and_two_hundred_taken_at_once(house: House) -> None:
    provider = house.registry.provider("openai").id
    rows = [
        {"model_key": f"m-{n}", "upstream_id": f"m-{n}", "display_name": f"M {n}", "provider_id": provider, "priced_as": f"list/m-{n}"}
        for n in range(2_000)
    ]
    house.services.store(LOCAL_ADMIN).insert("llm_models", rows)
    for n in range(2_000):
        house.market.says(f"list/m-{n}", NOW_DEARER)
    last = checked(house)
    assert last.differing == 2_000
    taken = house.desk.apply([found.row for found in last.rows[:200]])
    assert (taken.models, (house.desk.last() or last).differing) == (200, 1_800)
    with house.services.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(sync_runs).where(sync_runs.c.kind == "prices")) == 1
