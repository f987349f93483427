"""Where subscriptions are required, nobody without one reaches a model, and nobody with one is kept from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lib.access import LOCAL_ADMIN, People, Principal, Role, Subscription
from lib.chat import Message
from lib.errors import SettingsError, SubscriptionRequired
from lib.services import ChatCall, Services, open_services
from lib.settings import load_settings
from lib.store.base import Actor
from lib.store.sql import utc_now
from tests.postgres import PostgresServer

ACTOR = Actor("Setup", None, "cli")
CALL = ChatCall([Message("user", "hello")], "demo-chat")


@pytest.fixture
def services(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Services]:
    """A team's services that require a subscription."""
    name = postgres_server.create_ready()
    given = {"DATABASE_URL": postgres_server.url(name), "ENCRYPTION_KEY": "a-key-for-tests-0123456789", "REQUIRE_SUBSCRIPTION": "true"}
    opened = open_services(load_settings({**given, "MODELDECK_DATA_DIR": str(tmp_path)}, tmp_path))
    yield opened
    opened.close()
    postgres_server.drop(name)


def test_a_trial_ends_at_its_very_moment() -> None:
    now = utc_now()
    assert not Subscription(is_trial=True, expiry_date=now).is_active(now)
    assert Subscription(is_trial=True, expiry_date=now + timedelta(microseconds=1)).is_active(now)


def principal_of(services: Services, **held: Any) -> Principal:
    people = People(services.engine, services.clock)
    email = f"person{len(people.list())}@example.com"
    people.invite(email, Role.ADMIN, ACTOR)
    person = people.set_subscription(email, **{"has_subscription": False, "is_trial": False, "expiry_date": None, **held}, actor=ACTOR)
    return Principal(person.user_id, email, person.role)


def test_without_a_subscription_the_refusal_comes_before_any_other_check(services: Services) -> None:
    nobody = principal_of(services)
    stranger = Principal("00000000-0000-4000-8000-0000000000ee", "Stranger", Role.MEMBER)
    for person in (nobody, stranger):
        for call in (CALL, ChatCall([], "no such model")):
            with pytest.raises(SubscriptionRequired) as refusal:
                services.complete(person, call)
            assert str(refusal.value) == "Active subscription required for LLM API"
            with pytest.raises(SubscriptionRequired):
                services.chat(person, call)


def test_subscribers_and_running_trials_are_served_and_so_is_the_server_itself(services: Services) -> None:
    soon = services.clock() + timedelta(days=1)
    for person in (principal_of(services, has_subscription=True), principal_of(services, is_trial=True, expiry_date=soon), LOCAL_ADMIN):
        assert services.complete(person, CALL).completion.text


def test_the_embedded_mode_refuses_the_setting_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="set DATABASE_URL too"):
        load_settings({"REQUIRE_SUBSCRIPTION": "true"}, tmp_path)
