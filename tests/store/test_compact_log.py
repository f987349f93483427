"""SQLite keeps the log in fewer bytes: whoever wrote a call, and however, it must read, be found and be counted as written."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.store.engine import writing
from lib.store.triggers_sqlite import READABLE
from lib.store.usage_tables import INTERNED, PACKED, llm_usage_log, usage_texts
from lib.store.verify import verify
from tests.store.calls import USERS, closed, expected, insert, opened, shown

LOG = llm_usage_log.c
GUEST = "11111111-aaaa-4bbb-8ccc-222222222222"


def _another_system_writes(connection: Connection, row: dict[str, Any]) -> None:
    """Insert with plain SQL, which knows of no numbers."""
    values = {name: value for name, value in row.items() if name != "started_at"} | {"started_at": 1_772_323_200_000}
    statement = f"INSERT INTO llm_usage_log ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
    connection.exec_driver_sql(statement, tuple(values.values()))


def _kinds(connection: Connection) -> set[str]:
    return {
        kind for name in INTERNED for kind in connection.exec_driver_sql(f"SELECT DISTINCT typeof({name}) FROM llm_usage_log").scalars()
    }


def test_what_rows_share_is_kept_once(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine).begin() as connection:
        insert(connection, *(closed(user_name="Ada", endpoint="responses", key_scope="user") for _ in range(50)))
        texts = connection.scalars(sa.select(usage_texts.c.text)).all()
        assert sorted(texts) == sorted(("Acme", "Ada", "Alpha", "acme", "alpha", "api", "none", "responses", "user", USERS[0]))
        assert _kinds(connection) == {"integer", "null"}
        assert {len(packed) for packed in connection.exec_driver_sql("SELECT request_id FROM llm_usage_log").scalars()} == {16}


def test_texts_that_another_system_wrote_are_read_found_and_counted(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine).begin() as connection:
        insert(connection, closed(user_name="Ada"))
        for row in (opened(user_id=GUEST, user_name="1"), closed(user_id=GUEST, user_name="Ada"), closed(user_id=None, provider_name="1")):
            _another_system_writes(connection, row)
        assert _kinds(connection) == {"integer", "null"}
        assert connection.scalars(sa.select(LOG.user_name).order_by(LOG.id)).all() == ["Ada", "1", "Ada", None]
        assert connection.scalars(sa.select(LOG.id).where(LOG.user_id == GUEST).order_by(LOG.id)).all() == [2, 3]
        assert connection.scalars(sa.select(LOG.id).where(LOG.provider_name.in_(["1", "unheard of"]))).all() == [4]
        assert shown(connection) == expected(connection)
    assert verify(sqlite_engine).problems == ()


@pytest.mark.parametrize("user", [GUEST, USERS[1], None])
def test_a_call_given_to_somebody_else_in_plain_sql_is_counted_there(sqlite_engine: Engine, user: str | None) -> None:
    with writing(sqlite_engine).begin() as connection:
        insert(connection, closed(), closed(user_id=USERS[1]))
        connection.exec_driver_sql("UPDATE llm_usage_log SET user_id = ?, model_name = 'Beta' WHERE id = 1", (user,))
        assert connection.execute(sa.select(LOG.user_id, LOG.model_name).where(LOG.id == 1)).one() == (user, "Beta")
        assert _kinds(connection) <= {"integer", "null"}
        assert shown(connection) == expected(connection)
    assert verify(sqlite_engine).problems == ()


def test_a_text_replaced_in_the_same_statement_is_kept_once(sqlite_engine: Engine) -> None:
    """INSERT OR REPLACE turns every insert within its triggers into one that replaces: numbers must not move."""
    with writing(sqlite_engine).begin() as connection:
        insert(connection, closed(id=1, user_name="Ada"))
        before = connection.execute(sa.select(usage_texts)).all()
        connection.execute(sa.insert(llm_usage_log).prefix_with("OR REPLACE"), closed(id=1, user_name="Bo"))
        _another_system_writes(connection, closed(id=2, user_name="Ada"))
        assert connection.execute(sa.select(usage_texts).where(usage_texts.c.text != "Bo")).all() == before
        assert connection.scalars(sa.select(LOG.user_name).order_by(LOG.id)).all() == ["Bo", "Ada"]
        assert shown(connection) == expected(connection)


def test_an_id_is_found_however_it_is_written(database_engine: Engine) -> None:
    request, talk = str(uuid.uuid4()), str(uuid.uuid4())
    with writing(database_engine).begin() as connection:
        insert(connection, closed(request_id=request.upper(), conversation_id=talk))
        found = connection.execute(
            sa.select(LOG.request_id, LOG.conversation_id).where(LOG.request_id == request, LOG.message_id.is_(None))
        )
        assert found.one() == (request, talk)


def test_a_refused_second_attempt_of_the_same_number_leaves_the_log_as_it_was(database_engine: Engine) -> None:
    with writing(database_engine).begin() as connection:
        insert(connection, row := closed())
    with pytest.raises(sa.exc.IntegrityError), writing(database_engine).begin() as connection:
        insert(connection, row)
    assert verify(database_engine).problems == ()


def test_a_text_cannot_be_taken_from_under_its_calls(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine).begin() as connection:
        insert(connection, closed(user_name="Ada"))
    for statement in ("DELETE FROM usage_texts", "UPDATE usage_texts SET text = 'Bo' WHERE text = 'Ada'"):
        with pytest.raises(sa.exc.IntegrityError, match="append-only"), writing(sqlite_engine).begin() as connection:
            connection.exec_driver_sql(statement)
    with writing(sqlite_engine).begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER trg_usage_texts_no_delete")
        connection.exec_driver_sql("DELETE FROM usage_texts WHERE text = 'Ada'")
    assert "A name or id of 1 call is gone from usage_texts." in verify(sqlite_engine).problems


def test_other_tools_read_the_log_spelled_out(sqlite_engine: Engine) -> None:
    row = closed(
        user_name="Ada", usage_source="provider", conversation_id=str(uuid.uuid4()), instance_id=str(uuid.uuid4()), message_id=None
    )
    with writing(sqlite_engine).begin() as connection:
        insert(connection, row)
        found = connection.exec_driver_sql(f"SELECT * FROM {READABLE}").mappings().one()
    assert set(found) == {column.name for column in llm_usage_log.columns}
    for name in (*INTERNED, *PACKED, "cost_nano_usd", "status"):
        assert found[name] == row.get(name), name
