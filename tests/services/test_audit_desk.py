"""The audit desk as admins use it: under their own rights on Supabase, by the rules about people, and for nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.errors import InvalidValue, NotAllowed, StaleVersion
from lib.pricing import Price
from lib.services import Services, open_services
from lib.services.audit_desk import AuditDesk
from lib.settings import load_settings
from lib.store.base import Actor
from tests.postgres import PostgresServer
from tests.stack.stack import PASSWORD, Stack

HERE = "203.0.113.7"
BEN = Actor("Ben", None, "page")


@pytest.fixture
def team(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Services]:
    """A Modeldeck of a team, on Postgres."""
    name = postgres_server.create_ready()
    values = {"DATABASE_URL": postgres_server.url(name), "ENCRYPTION_KEY": "a-key-for-tests", "MODELDECK_DATA_DIR": str(tmp_path)}
    opened = open_services(load_settings(values, tmp_path))
    yield opened
    opened.close()
    postgres_server.drop(name)


def newest(desk: AuditDesk) -> int:
    return desk.changes(limit=1)[0][0].id


def test_a_role_is_taken_back_and_never_the_last_admins(team: Services) -> None:
    people, desk = team.people(LOCAL_ADMIN), AuditDesk(team, LOCAL_ADMIN)
    for email in ("ada@example.com", "grace@example.com"):
        link = people.invite(email, Role.ADMIN, BEN)
        team.accounts.join(link.token, PASSWORD)
    people.set_role("grace@example.com", Role.MEMBER, BEN)
    change = newest(desk)
    detail = desk.detail(change)
    assert detail.told.sentence == "Ben changed the role of grace@example.com: admin → member"
    assert [(d.field, d.before, d.after) for d in detail.would] == [("Role", "member", "admin")]
    undone = desk.undo(detail.plan)
    assert people.get("grace@example.com").role is Role.ADMIN
    assert desk.plan(change).refusals[0].startswith("grace@example.com: role was changed since by Local admin, ")
    people.set_role("ada@example.com", Role.MEMBER, BEN)
    with pytest.raises(InvalidValue, match="last admin"):
        desk.undo(desk.plan(undone))
    people.set_active("ada@example.com", False, BEN)
    off = newest(desk)
    assert desk.detail(off).told.what == "switched the account of ada@example.com off"
    desk.undo(desk.plan(off))
    assert people.get("ada@example.com").is_active
    people.set_subscription("ada@example.com", has_subscription=True, is_trial=False, expiry_date=None, actor=BEN)
    desk.undo(desk.plan(newest(desk)))
    assert not people.get("ada@example.com").has_subscription


def test_an_invitation_says_why_it_is_not_taken_back(team: Services) -> None:
    team.people(LOCAL_ADMIN).invite("new@example.com", Role.MEMBER, BEN)
    told = AuditDesk(team, LOCAL_ADMIN).changes(limit=1)[0][0]
    assert (told.sentence, told.count) == ("Ben invited new@example.com", 2)
    assert told.why_not == "A link or password is not taken back. Switch the account off instead, on the People page."


def test_what_was_not_what_was_looked_at_is_refused(team: Services) -> None:
    desk, registry = AuditDesk(team, LOCAL_ADMIN), team.registry(LOCAL_ADMIN)
    model = registry.get("gpt-4o")
    registry.set_price(model.id, Price(input=Decimal(1)))
    plan = desk.plan(newest(desk))
    assert plan.lines
    with pytest.raises(StaleVersion, match="Look again"):
        desk.undo(replace(plan, lines=plan.lines[:-1]))
    assert registry.get(model.id).price == registry.prices(model.id)[-1], "nothing was written"


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ANALYST])
def test_nobody_but_an_admin_reads_checks_or_undoes(team: Services, role: Role) -> None:
    desk = AuditDesk(team, Principal("3f2b8a52-6a0e-4c9b-9f39-0d9f3f1f0a11", "Mia", role))
    admins = AuditDesk(team, LOCAL_ADMIN)
    plan = admins.plan(1)
    for attempt in (desk.changes, desk.actors, desk.newest, desk.check, desk.last_check, lambda: desk.detail(1), lambda: desk.undo(plan)):
        with pytest.raises(NotAllowed):
            attempt()


@pytest.fixture(scope="module")
def project(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A Modeldeck on a small Supabase."""
    folder = tmp_path_factory.mktemp("supabase")
    values = {**stack.settings, "ENCRYPTION_KEY": "a-key-for-tests-0123456789", "MODELDECK_DATA_DIR": str(folder)}
    opened = open_services(load_settings(values, folder))
    yield opened
    opened.close()


def entered(stack: Stack, services: Services, email: str) -> Principal:
    stack.sign_up(email, role="admin")
    principal = services.principal(services.sign_in(email, PASSWORD, HERE))
    assert principal is not None
    return principal


def test_an_admin_of_a_supabase_project_takes_changes_back_under_their_own_rights(stack: Stack, project: Services) -> None:
    admin = entered(stack, project, "undoing@example.com")
    desk, registry = AuditDesk(project, admin), project.registry(admin)
    model = registry.get("gpt-4o-mini")
    prices = registry.prices(model.id)
    registry.delete_model(model.id)
    deleted = newest(desk)
    told = desk.detail(deleted).told
    assert (told.who, told.what, told.origin) == (admin.name, "deleted GPT-4o mini", "page")
    restored = desk.undo(desk.plan(deleted))
    again = registry.get(model.id)
    assert (again.model_key, registry.prices(model.id)) == (model.model_key, prices)
    desk.undo(desk.plan(restored))
    assert model.id not in {m.id for m in registry.models()}
    desk.undo(desk.plan(newest(desk)))
    registry.set_price(model.id, Price(input=Decimal("2.5")))
    desk.undo(desk.plan(newest(desk)))
    back = registry.get(model.id).price
    assert back is not None and back.items() == prices[-1].items()
    ids = [m.id for m in registry.models()]
    before = {m.id: m.is_active for m in registry.models()}
    registry.set_active(ids, True)
    desk.undo(desk.plan(newest(desk)))
    assert {m.id: m.is_active for m in registry.models()} == before
    assert desk.check().problems == ()


def test_on_supabase_too_another_persons_model_is_told_of_and_no_more(stack: Stack, project: Services) -> None:
    admin, other = entered(stack, project, "looking@example.com"), entered(stack, project, "owning@example.com")
    store, desk = project.store(other), AuditDesk(project, admin)
    provider = project.registry(admin).provider("openai").id
    row = {"model_key": "mine", "upstream_id": "canary", "display_name": "Canary", "provider_id": provider, "owner_id": other.user_id}
    store.insert("llm_models", [row])
    detail = desk.detail(newest(desk))
    assert detail.told.what == "added a model of their own"
    assert "anary" not in repr(detail)
    own = AuditDesk(project, other)
    assert own.detail(newest(own)).told.what == "added Canary"
    own.undo(own.plan(newest(own)))
    assert store.select("llm_models", where={"model_key": "mine"}) == []
