"""A refresh over real sockets: what servers list, whatever they do instead of listing, and what is kept of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.errors import Cancelled, NotAllowed, NotFound
from lib.net import Stopper
from lib.registry import Registry
from lib.services import Services
from lib.services.discovery import DiscoveryDesk
from lib.services.discovery_results import Look, ProviderResult
from lib.store.engine import writing
from lib.store.schema import audit_log, sync_items
from tests.jobs.conftest import Houses
from tests.replay import Received, ReplayServer, Reply

KEY = "sk-test-0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def services(houses: Houses) -> Services:
    return houses.open()


def registry(services: Services) -> Registry:
    return services.registry(LOCAL_ADMIN)


def desk(services: Services, **given: Any) -> DiscoveryDesk:
    return DiscoveryDesk(services, LOCAL_ADMIN, **given)


def says(*ids: str, **more: Any) -> Reply:
    """A list of models as OpenAI-compatible servers write it."""
    return Reply(json.dumps({"data": [{"id": name, **more} for name in ids]}).encode())


def add(services: Services, slug: str, address: str) -> None:
    registry(services).add_provider(slug, "openai-compatible", base_url=address)


def refresh(services: Services, slug: str, reply: Reply, **given: Any) -> ProviderResult:
    """Let a provider list something, and take it over."""
    with ReplayServer(reply) as server:
        registry(services).set_provider(slug, base_url=server.base_url)
        return desk(services).apply(desk(services).look(slug), **given)


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def test_models_come_change_go_and_come_back_and_keep_what_an_admin_decided(services: Services, houses: Houses) -> None:
    add(services, "ours", "http://127.0.0.1:9/v1")
    first = refresh(services, "ours", says("a", "b", "c", "text-embedding-x"))
    assert first.counts == {"added": 3, "changed": 0, "gone": 0, "back": 0}
    assert (first.sentence, dict(first.left_out)) == ("3 new.", {"embedding": 1})
    models = registry(services).models(provider="ours")
    assert [(m.model_key, m.is_active, m.is_available) for m in models] == [("a", False, True), ("b", False, True), ("c", False, True)]
    registry(services).set_active([models[0].id, models[2].id], True)
    registry(services).update_model(models[0].id, display_name="Ours", hidden=True, display_order=3)
    houses.clock.on(days=1)
    second = refresh(services, "ours", says("a", "b", context_window=9_000))
    assert second.counts == {"added": 0, "changed": 2, "gone": 1, "back": 0}
    kept = registry(services).get("a")
    assert (kept.display_name, kept.is_active, kept.hidden, kept.display_order, kept.context_window) == ("Ours", True, True, 3, 9_000)
    gone = registry(services).get("c")
    assert (gone.is_available, gone.is_active, gone.why_not) == (False, True, "Gone at the provider")
    third = refresh(services, "ours", says("a", "b", "c", context_window=9_000))
    assert third.counts == {"added": 0, "changed": 0, "gone": 0, "back": 1}
    assert registry(services).get("c").usable
    assert refresh(services, "ours", says("a", "b", "c", context_window=9_000)).sentence == "3 listed, nothing new."
    with writing(services.engine).connect() as connection:
        actions = connection.scalars(sa.select(sync_items.c.action).order_by(sync_items.c.id)).all()
    assert actions == ["added"] * 3 + ["changed"] * 2 + ["gone", "back"]


def test_a_refresh_that_finds_nothing_writes_nothing_to_the_models(services: Services) -> None:
    add(services, "ours", "http://127.0.0.1:9/v1")
    refresh(services, "ours", says("a", "b"))
    versions = {m.id: m.version for m in registry(services).models()}
    with ReplayServer(says("a", "b")) as server:
        registry(services).set_provider("ours", base_url=server.base_url)
        with services.engine.connect() as connection:
            before = connection.scalar(sa.select(sa.func.count()).select_from(audit_log))
        assert desk(services).refresh(["ours"]).updated == 0
    with services.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(audit_log)) == before
    assert {m.id: m.version for m in registry(services).models()} == versions


def test_providers_fail_each_for_themselves(services: Services) -> None:
    page = json.dumps({"data": [{"id": "x"}], "has_more": True, "last_id": "x"}).encode()
    html = Reply(b"<html>Bad gateway</html>", status=502, content_type="text/html")
    with ReplayServer(says("fine")) as fine, ReplayServer(html) as broken, ReplayServer(Reply(page)) as endless, silent() as hanging:
        for slug, address in (("fine", fine.base_url), ("broken", broken.base_url), ("hanging", hanging), ("later", hanging)):
            add(services, slug, address)
        registry(services).set_provider("anthropic", base_url=endless.base_url)
        services.set_key(LOCAL_ADMIN, registry(services).provider("anthropic"), KEY)
        told: list[tuple[int, int, str]] = []
        done = desk(services, patience_s=3.0).refresh(progress=lambda *now: told.append(now))
    by_slug = {result.provider: result for result in done.results}
    assert (done.added, done.failed) == (1, 4)
    assert by_slug["fine"].counts["added"] == 1
    assert "has no end" in str(by_slug["anthropic"].error)
    assert all(by_slug[slug].error for slug in ("broken", "hanging", "later"))
    assert [(done, total) for done, total, _ in told] == [(n, 5) for n in range(6)]
    assert set(desk(services).last_runs()) == set(by_slug)
    assert {slug: run.status for slug, run in desk(services).last_runs().items() if run.status != "failed"} == {"fine": "ok"}
    assert KEY not in json.dumps(done.errors)


class Meeting(ReplayServer):
    """A server that answers only while another one is asked as well."""

    def __init__(self, barrier: threading.Barrier) -> None:
        super().__init__(says("a"))
        self._barrier = barrier

    def answer(self, request: Received) -> Reply:
        self._barrier.wait(30)
        return super().answer(request)


def test_providers_are_asked_side_by_side(services: Services) -> None:
    both = threading.Barrier(2)
    with Meeting(both) as one, Meeting(both) as other:
        add(services, "one", one.base_url)
        add(services, "other", other.base_url)
        assert [look.error for look in desk(services).look_all()] == [None, None]


def test_a_list_that_looks_wrong_waits_for_a_persons_yes(services: Services) -> None:
    add(services, "ours", "http://127.0.0.1:9/v1")
    refresh(services, "ours", says("a", "b", "c", "d", "e"))
    held = refresh(services, "ours", says("a", "b"))
    assert held.held == "OpenAI-compatible lists only 2 of the 5 models it listed before."
    assert all(model.is_available for model in registry(services).models(provider="ours"))
    assert desk(services).last_runs()["ours"].status == "held"
    assert refresh(services, "ours", Reply(b'{"data": []}')).held
    assert refresh(services, "ours", says("a", "b"), accept=True).counts["gone"] == 3
    assert [model.is_available for model in registry(services).models(provider="ours")] == [True, True, False, False, False]


def test_what_is_chosen_is_applied_and_nothing_else(services: Services) -> None:
    add(services, "ours", "http://127.0.0.1:9/v1")
    refresh(services, "ours", says("a"))
    assert refresh(services, "ours", says("b", "c"), chosen={"c"}, accept=True).counts == {"added": 1, "changed": 0, "gone": 0, "back": 0}
    assert {m.upstream_id: m.is_available for m in registry(services).models(provider="ours")} == {"a": True, "c": True}


def test_a_plan_that_somebody_overtook_is_refused_or_fitted_and_never_doubles_a_model(services: Services) -> None:
    add(services, "ours", "http://127.0.0.1:9/v1")
    refresh(services, "ours", says("a"))
    with ReplayServer(says("a", "b", context_window=5_000)) as server:
        registry(services).set_provider("ours", base_url=server.base_url)
        plans: list[Look] = [desk(services).look("ours") for _ in range(2)]
        registry(services).add_model("demo", "elsewhere", model_key="b")
        fitted = desk(services).apply(plans[0])
        assert (fitted.counts["added"], registry(services).get("ours/b").model_key) == (1, "ours-b")
        late = desk(services).apply(plans[1])
    assert late.error and late.error.startswith("Nothing was saved. ")
    assert len(registry(services).models(provider="ours")) == 2
    assert desk(services).last_runs()["ours"].status == "failed"


def test_new_models_bring_the_catalogues_prices_in_the_same_transaction(services: Services) -> None:
    with ReplayServer(says("gpt-4o-2024-11-20", "gpt-nobody-knows")) as server:
        registry(services).set_provider("openai", base_url=server.base_url)
        services.set_key(LOCAL_ADMIN, registry(services).provider("openai"), KEY)
        desk(services).apply(desk(services).look("openai"), {"gpt-4o-2024-11-20", "gpt-nobody-knows"}, accept=True)
    price = registry(services).get("gpt-4o-2024-11-20").price
    assert price is not None and (price.source, price.input is not None) == ("catalogue", True)
    assert registry(services).get("gpt-nobody-knows").price is None


def test_an_empty_registry_is_seeded_first(services: Services) -> None:
    with writing(services.engine).begin() as connection:
        connection.execute(sa.text("DELETE FROM llm_models"))
    assert desk(services).look_all() == []
    assert registry(services).get("gpt-4o-mini")


def test_only_connected_providers_are_asked_and_keys_go_where_they_belong(services: Services) -> None:
    with ReplayServer(says("a"), api_key=KEY) as server:
        registry(services).set_provider("groq", base_url=server.base_url)
        assert desk(services).look_all() == [], "a key is what connects it"
        assert "needs a key" in str(desk(services).look("groq").error)
        services.set_key(LOCAL_ADMIN, registry(services).provider("groq"), KEY)
        assert [look.provider for look in desk(services).look_all()] == ["groq"]
        registry(services).set_provider("groq", is_active=False)
        assert desk(services).look_all() == []
        assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    with pytest.raises(NotFound):
        desk(services).look("nobody")


def test_azure_says_that_it_does_not_tell_and_that_is_no_failure(services: Services) -> None:
    with ReplayServer(Reply(b'{"error": {"code": "404", "message": "Resource not found"}}', status=404)) as server:
        registry(services).set_provider("azure", base_url=server.base_url.removesuffix("/v1"))
        services.set_key(LOCAL_ADMIN, registry(services).provider("azure"), KEY)
        done = desk(services).refresh(["azure"])
    assert (done.failed, done.results[0].sentence.startswith("Azure tells nobody")) == (0, True)
    assert server.requests[0].path == "/openai/deployments"
    assert registry(services).get("azure-gpt-4o").is_available


def test_nobody_but_an_admin_may_look_or_apply(services: Services) -> None:
    member = DiscoveryDesk(services, Principal("00000000-0000-4000-8000-0000000000ff", "Mia", Role.ANALYST))
    for attempt in (lambda: member.look_all(), lambda: member.apply(Look("a", "A")), lambda: member.last_runs()):
        with pytest.raises(NotAllowed):
            attempt()


def test_a_look_can_be_stopped_and_says_so(services: Services) -> None:
    stopper = Stopper()
    with silent() as hanging:
        add(services, "hanging", hanging)
        with stopper.applied(), pytest.raises(Cancelled):
            desk(services).look_all(["hanging"], lambda done, *_: stopper.stop())
    assert desk(services).last_runs()["hanging"].status == "interrupted"


def test_a_look_that_is_not_to_be_recorded_leaves_no_trace(services: Services) -> None:
    with ReplayServer(says("a")) as server:
        add(services, "ours", server.base_url)
        assert desk(services).look_all(record=False)[0].plan
    assert desk(services).last_runs() == {}


def test_a_list_is_asked_for_under_the_same_guard_as_calls(services: Services) -> None:
    add(services, "metadata", "http://169.254.169.254/v1")
    registry(services).add_provider("hidden", "openai-compatible", base_url="http://[::ffff:169.254.169.254]/v1")
    looks = desk(services, patience_s=5.0).look_all(["metadata", "hidden"])
    assert all(look.error and "a cloud's own service" in look.error for look in looks), [look.error for look in looks]


def test_without_the_catalogue_models_come_unpriced_and_the_next_look_prices_them(services: Services) -> None:
    def broken(*_: Any) -> dict[str, Any]:
        raise OSError("no process to be had")

    with ReplayServer(says("gpt-4o-2024-11-20")) as server:
        registry(services).set_provider("openai", base_url=server.base_url)
        services.set_key(LOCAL_ADMIN, registry(services).provider("openai"), KEY)
        assert desk(services, catalogue=broken).refresh(["openai"]).added == 1
        assert registry(services).get("gpt-4o-2024-11-20").price is None
        assert desk(services).refresh(["openai"]).results[0].counts["changed"] == 1
    assert registry(services).get("gpt-4o-2024-11-20").price is not None


def test_what_was_found_and_not_chosen_still_waits(services: Services) -> None:
    add(services, "ours", "http://127.0.0.1:9/v1")
    refresh(services, "ours", says("a", "b"), chosen=set())
    run = desk(services).last_runs()["ours"]
    assert (run.status, run.sentence) == ("held", "Found 2 new; not applied yet.")
