"""``db`` says where the database is and how its schema stands, and mends what can be mended."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.postgres import PostgresServer

from .conftest import Run


def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "modeldeck.db"


def test_a_first_status_creates_nothing_and_says_what_to_run(run: Run, tmp_path: Path) -> None:
    ran = run("db", "status")
    assert ran.code == 1
    assert "Mode: embedded" in ran.out
    assert "Schema: empty" in ran.out
    assert "python -m lib db upgrade" in ran.err
    assert not database(tmp_path).exists()
    assert run("db", "status", "--json").document["schema"]["state"] == "empty"


def test_upgrade_makes_the_database_once(run: Run, tmp_path: Path) -> None:
    first = run("db", "upgrade", "--json")
    assert first.code == 0
    assert first.document["upgraded"] is True
    assert database(tmp_path).stat().st_mode & 0o777 == 0o600
    second = run("db", "upgrade")
    assert second.code == 0
    assert "up to date" in second.out


@pytest.mark.usefixtures("seeded")
def test_status_prints_the_models_as_the_verification_script_did(run: Run, tmp_path: Path) -> None:
    ran = run("db", "status")
    assert ran.code == 0
    assert f"Database: {database(tmp_path)}" in ran.out
    assert "Schema: ready" in ran.out
    assert "LLM models in database:" in ran.out
    document = run("db", "status", "--json").document
    assert document["mode"] == "embedded"
    assert document["schema"]["revision"] == document["schema"]["head"]
    assert len(document["models"]) == int(ran.out.split("Found ")[1].split()[0])


def test_a_server_that_does_not_answer_is_said_without_its_password(run: Run) -> None:
    url = "postgresql://app:pw-CANARY@127.0.0.1:1/modeldeck"
    for words in (("db", "status"), ("db", "upgrade"), ("models", "list")):
        ran = run(*words, DATABASE_URL=url, ENCRYPTION_KEY="CANARY-key")
        assert ran.code == 1
        assert "does not answer" in ran.err
        assert "CANARY" not in ran.out + ran.err


@pytest.mark.usefixtures("seeded")
def test_a_sound_database_verifies(run: Run) -> None:
    run("chat", "demo-chat", "hello", "--json")
    ran = run("db", "verify")
    assert ran.code == 0
    assert "No problem found." in ran.out
    assert run("db", "verify", "--json").document == run("db", "verify", "--json").document | {"ok": True, "problems": []}


@pytest.mark.usefixtures("seeded")
def test_wrong_rollups_are_found_and_rebuilt(run: Run, tmp_path: Path) -> None:
    run("chat", "demo-chat", "hello", "--json")
    with sqlite3.connect(database(tmp_path)) as connection:
        connection.execute("UPDATE usage_by_model SET requests = requests + 5")
    connection.close()
    found = run("db", "verify", "--json")
    assert found.code == 1
    assert found.document["ok"] is False
    assert found.document["problems"]
    assert "rebuild-rollups" in found.err
    assert run("db", "rebuild-rollups", "--json").document["windows"] >= 1
    assert run("db", "verify").code == 0


@pytest.mark.usefixtures("seeded")
def test_figures_that_wait_for_a_rebuild_are_said_until_it_is_done(run: Run, tmp_path: Path) -> None:
    run("chat", "demo-chat", "hello", "--json")
    assert run("db", "status", "--json").document["rebuild_due"] is False
    with sqlite3.connect(database(tmp_path)) as connection:  # as a migration of Supabase's tools leaves it
        connection.execute("UPDATE rollup_state SET rebuild_from = 0, rebuild_done_to = 0")
    connection.close()
    assert "Run: python -m lib db rebuild-rollups" in run("db", "status").out
    assert run("db", "rebuild-rollups").code == 0
    assert run("db", "status", "--json").document["rebuild_due"] is False


@pytest.mark.parametrize("words", [("db", "status"), ("db", "verify"), ("db", "upgrade"), ("models", "list"), ("usage", "summary")])
def test_a_damaged_file_is_one_sentence_and_stays_as_it_is(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    database(tmp_path).parent.mkdir()
    database(tmp_path).write_bytes(b"not a database at all" * 500)
    ran = run(*words, "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "damaged" in ran.err
    assert ran.err.count("\n") == 1
    assert database(tmp_path).read_bytes() == b"not a database at all" * 500


@pytest.mark.usefixtures("seeded")
def test_a_newer_schema_is_refused_untouched(run: Run, tmp_path: Path) -> None:
    with sqlite3.connect(database(tmp_path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    ran = run("db", "upgrade")
    assert ran.code == 1
    assert "newer Modeldeck" in ran.err
    schema = run("db", "status", "--json").document["schema"]
    assert (schema["state"], schema["revision"]) == ("newer", "9999")


def test_a_postgres_server_is_upgraded_only_when_asked_and_then_serves_every_command(run: Run, postgres_server: PostgresServer) -> None:
    name = postgres_server.create()
    server = {"DATABASE_URL": postgres_server.url(name), "ENCRYPTION_KEY": "a key for this test"}
    try:
        refused = run("models", "list", **server)
        assert refused.code == 1
        assert "python -m lib db upgrade" in refused.err
        assert run("db", "status", "--json", **server).document["schema"]["state"] == "empty"
        assert run("db", "upgrade", "--json", **server).document["upgraded"] is True
        status = run("db", "status", "--json", **server).document
        assert (status["mode"], status["schema"]["state"]) == ("postgres", "ready")
        cost = run("chat", "demo-chat", "hello", "--json", **server).document["cost_nano_usd"]
        assert run("usage", "summary", "--json", **server).document["total"]["cost_nano_usd"] == cost
        assert run("db", "verify", **server).code == 0
        assert run("db", "rebuild-rollups", **server).code == 0
        assert run("keys", "set", "openai", "--no-test", input="sk-canary-0123456789abcdef", **server).code == 0
    finally:
        postgres_server.drop(name)


@pytest.mark.usefixtures("seeded")
def test_a_database_that_another_process_holds_is_said_and_nothing_is_lost(run: Run, tmp_path: Path) -> None:
    holder = sqlite3.connect(database(tmp_path), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    ran = run("models", "deactivate", "demo-chat", "--json")
    holder.execute("ROLLBACK")
    holder.close()
    assert (ran.code, ran.out) == (1, "")
    assert "Another process holds the database" in ran.err
    assert run("models", "show", "demo-chat", "--json").document["active"] is True
