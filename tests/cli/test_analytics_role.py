"""One command makes the user of ANALYTICS_URL, and both ``db status`` and the server's log say when that user may do too much."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from lib.services import open_services
from lib.settings import load_settings
from lib.store.analytics_role import COMMAND, ROLE
from tests.postgres import running_postgres

from .conftest import Run


@dataclass(frozen=True)
class Place:
    """A database with the schema of today, on a server of its own that trusts whoever connects."""

    url: str
    settings: dict[str, str]


@pytest.fixture
def place(run: Run) -> Iterator[Place]:
    with running_postgres() as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE ROLE deck LOGIN CREATEROLE")
            connection.execute("CREATE DATABASE deck OWNER deck")
        url = server.url("deck").replace("postgres@", "deck@")
        settings = {"DATABASE_URL": url, "ENCRYPTION_KEY": "a key for this test"}
        assert run("db", "upgrade", **settings).code == 0
        yield Place(url, settings)


def test_the_role_is_made_once_and_reads_what_usage_summary_needs(run: Run, place: Place) -> None:
    assert run("db", "status", "--json", **place.settings).document["analytics"] is None
    cost = run("chat", "demo-chat", "hello", "--json", **place.settings).document["cost_nano_usd"]
    made = run("db", "analytics-role", "--json", **place.settings).document
    assert made["created"] is True and made["analytics_url"].startswith(f"postgresql://{ROLE}:")
    settings = place.settings | {"ANALYTICS_URL": made["analytics_url"]}
    assert run("usage", "summary", "--by", "key", "--json", **settings).document["total"]["cost_nano_usd"] == cost
    status = run("db", "status", "--json", **settings).document["analytics"]
    assert status["problems"] == [] and ROLE in status["address"]
    assert made["analytics_url"].split(":")[2].split("@")[0] not in status["address"]
    again = run("db", "analytics-role", "--json", **settings).document
    assert (again["created"], again["analytics_url"]) == (False, None)
    assert "keeps its password" in run("db", "analytics-role", **settings).out
    other = run("db", "analytics-role", "--new-password", "--json", **settings).document["analytics_url"]
    assert other not in (None, made["analytics_url"])


def test_sql_for_somebody_else_makes_the_same_role(run: Run, place: Place) -> None:
    printed = run("db", "analytics-role", "--sql", "--json", **place.settings).document
    with psycopg.connect(place.url.replace("deck@", "postgres@"), autocommit=True) as connection:
        assert connection.execute("SELECT to_regrole(%s)", (ROLE,)).fetchone() == (None,), "printing changes nothing"
        text = run("db", "analytics-role", "--sql", **place.settings).out
        connection.execute(text.encode())
    settings = place.settings | {"ANALYTICS_URL": printed["analytics_url"]}
    assert run("db", "status", "--json", **settings).document["analytics"]["problems"] == []


def test_a_user_who_may_write_is_told_by_status_and_by_the_log_and_keeps_nothing_from_starting(
    run: Run, place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = place.settings | {"ANALYTICS_URL": place.url}
    ran = run("db", "status", **settings)
    assert ran.code == 0
    assert "  ANALYTICS_URL connects as deck, one who may change" in ran.out and COMMAND in ran.out
    with caplog.at_level(logging.WARNING):
        services = open_services(load_settings(settings | {"MODELDECK_DATA_DIR": str(tmp_path)}, tmp_path))
        services.close()
    assert "analytics.connection" in caplog.text and COMMAND in caplog.text


def test_the_embedded_database_has_no_roles(run: Run) -> None:
    ran = run("db", "analytics-role")
    assert ran.code == 2 and "DATABASE_URL" in ran.err
