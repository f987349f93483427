"""On a Supabase project an admin's refresh goes through their own token and the policies, the daily one through the server's role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.jobs import JOBS, Scheduler, last_runs
from lib.services import Services, open_services
from lib.services.discovery import DiscoveryDesk
from lib.settings import load_settings
from tests.replay import ReplayServer, Reply
from tests.stack.stack import PASSWORD, Stack

HERE = "203.0.113.9"


def says(*ids: str) -> Reply:
    return Reply(json.dumps({"data": [{"id": name} for name in ids]}).encode())


@pytest.fixture(scope="module")
def services(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("supabase-discovery")
    opened = open_services(load_settings({**stack.settings, "ENCRYPTION_KEY": "a-key-for-tests-0123456789"}, folder))
    yield opened
    opened.close()


def signed_in(services: Services, stack: Stack, role: str) -> Principal:
    email = f"discovery-{role}@example.com"
    stack.sign_up(email, role=role)
    person = services.principal(services.sign_in(email, PASSWORD, HERE))
    assert person is not None
    return person


def test_an_admin_refreshes_under_their_own_token_and_the_server_under_its_own(services: Services, stack: Stack) -> None:
    admin = signed_in(services, stack, "admin")
    registry = services.registry(admin)
    with ReplayServer(says(*(f"m{n}" for n in range(120))), says(*(f"m{n}" for n in range(119)))) as server:
        registry.add_provider("crowd", "openai-compatible", base_url=server.base_url)
        desk = DiscoveryDesk(services, admin)
        done = desk.refresh(["crowd"])
        assert (done.added, done.errors) == (120, ())
        assert len(registry.models(provider="crowd")) == 120
        who = stack.sql(
            "SELECT DISTINCT actor FROM audit_log WHERE subject = 'llm_models' AND action = 'llm_models.insert' AND actor_id = %s",
            admin.user_id,
        )
        assert len(who) == 1, "the database itself names the admin"
        (job,) = (job for job in JOBS if job.name == "refresh-models")
        later = services.clock() + timedelta(days=1)
        assert Scheduler(lambda: replace(services, clock=lambda: later), (job,)).look() == ["refresh-models"]
    assert "1 gone" in last_runs(services)["refresh-models"].sentence
    assert not registry.get("m119").is_available
    assert stack.sql("SELECT actor, origin FROM audit_log ORDER BY id DESC LIMIT 1") == [("Modeldeck", "job")]
    assert desk.last_runs()["crowd"].status == "ok"


def test_somebody_whose_role_was_taken_away_meanwhile_writes_nothing(services: Services, stack: Stack) -> None:
    demoted = replace(signed_in(services, stack, "member"), role=Role.ADMIN)
    with ReplayServer(says("stolen")) as server:
        services.registry(LOCAL_ADMIN).add_provider("guarded", "openai-compatible", base_url=server.base_url)
        result = DiscoveryDesk(services, demoted).apply(DiscoveryDesk(services, demoted).look("guarded"))
    assert result.error and result.error.startswith("Nothing was saved.")
    assert stack.sql("SELECT count(*) FROM llm_models WHERE upstream_id = 'stolen'") == [(0,)]
