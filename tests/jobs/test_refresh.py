"""The daily refresh asks what is connected, as the server itself, and never decides what needs a person."""

from __future__ import annotations

import json

import sqlalchemy as sa

from lib.access import LOCAL_ADMIN
from lib.jobs import JOBS, Scheduler, last_runs
from lib.services import Services
from lib.services.discovery import DiscoveryDesk
from lib.store.schema import audit_log
from tests.jobs.conftest import Houses
from tests.replay import ReplayServer, Reply

NAME = "refresh-models"


def scheduler(services: Services) -> Scheduler:
    return Scheduler(lambda: services, [job for job in JOBS if job.name == NAME])


def says(*ids: str) -> Reply:
    return Reply(json.dumps({"data": [{"id": name} for name in ids]}).encode())


def point(services: Services, server: ReplayServer) -> None:
    services.registry(LOCAL_ADMIN).set_provider("vllm", base_url=server.base_url)


def test_connected_providers_are_asked_once_a_day_as_the_server_itself(houses: Houses) -> None:
    services = houses.open()
    with ReplayServer(says("a", "b")) as server:
        point(services, server)
        assert scheduler(services).look() == [NAME]
        assert scheduler(houses.open()).look() == []
        assert len(server.requests) == 1
    assert last_runs(services)[NAME].sentence == "1 provider asked: 2 new, 2 gone."
    with services.engine.connect() as connection:
        newest = sa.select(audit_log.c.actor, audit_log.c.origin).order_by(audit_log.c.id.desc()).limit(1)
        assert tuple(connection.execute(newest).one()) == ("Modeldeck", "job")


def test_a_list_that_looks_wrong_is_left_for_a_person_and_the_job_says_so(houses: Houses) -> None:
    services = houses.open()
    with ReplayServer(says("a", "b", "c"), says("a")) as server:
        point(services, server)
        scheduler(services).look()
        houses.clock.on(days=1)
        assert scheduler(services).look() == [NAME]
    assert "vLLM lists only 1 of the 3 models it listed before. Nothing was applied." in last_runs(services)[NAME].sentence
    assert len([m for m in services.registry(LOCAL_ADMIN).models(provider="vllm") if m.is_available]) == 3
    assert DiscoveryDesk(services, LOCAL_ADMIN).last_runs()["vllm"].status == "held"


def test_when_nobody_answers_it_failed_and_is_tried_again_soon(houses: Houses) -> None:
    services = houses.open()
    with ReplayServer(Reply(b"{}", status=500)) as server:
        point(services, server)
        scheduler(services).look()
        assert last_runs(services)[NAME].status == "failed"
        houses.clock.on(hours=1)
        assert scheduler(services).look() == [NAME]


def test_it_can_be_switched_off(houses: Houses) -> None:
    services = houses.open(REFRESH_MODELS="off")
    assert scheduler(services).look() == []


def test_with_nothing_connected_it_says_so(houses: Houses) -> None:
    services = houses.open()
    scheduler(services).look()
    assert last_runs(services)[NAME].sentence == "No provider is connected."
