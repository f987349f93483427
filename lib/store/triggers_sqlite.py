"""What guards the data on SQLite: the triggers and views, as text.

The rollups follow the log row by row. A closed row that changes is taken away as it was and added as it is, and a
rollup row that counts nothing any more is removed.
"""

from __future__ import annotations

from dataclasses import replace

from lib.store import rollups
from lib.store.audit import FIRST_HASH
from lib.store.grains import GRAINS, KNOWN
from lib.store.rollups import PROJECTIONS
from lib.store.types import text_of
from lib.store.usage_tables import INTERNED, PACKED, llm_usage_log

_IDENTITY = tuple(name for _, identity in KNOWN.values() for name in identity)

ADMIN = "role = 'admin' AND is_active"
LAST_ADMIN = "profiles keep the last admin"
"""What every path past Modeldeck is told, too, when it would leave nobody who can let others in."""
REFUSAL = "is append-only"
APPEND_ONLY: dict[str, str] = {
    "audit_log": "",
    "hint_events": "",
    "llm_model_prices": "EXISTS (SELECT 1 FROM llm_models WHERE id = OLD.model_id)",
}
"""Tables whose rows stay as they were written, and when removing one is refused (always, unless a condition is given).

A price goes when its model goes: by then the model's row is no longer there.
"""


def objects() -> dict[str, str]:
    """Return every trigger and view by name, each with its CREATE statement."""
    return {**_rollup_triggers(), **_interning(), **_default_model(), **_append_only(), **_last_admin(), **_views()}


READABLE = "llm_usage_log_plain"
"""The view of the log for eyes and other tools: every text and UUID spelled out."""


def _rollup_triggers() -> dict[str, str]:
    frozen = f"OLD.started_at >= coalesce(({rollups.FROZEN_BEFORE}), OLD.started_at)"
    add, subtract = _body("NEW", ""), _body("OLD", "-")
    columns = ", ".join(rollups.log_columns())
    return {
        "trg_usage_log_insert": "CREATE TRIGGER trg_usage_log_insert AFTER INSERT ON llm_usage_log"
        f" WHEN NEW.status <> 'open' BEGIN {add} END",
        "trg_usage_log_update_old": f"CREATE TRIGGER trg_usage_log_update_old AFTER UPDATE OF {columns} ON llm_usage_log"
        f" WHEN OLD.status <> 'open' BEGIN {subtract} END",
        "trg_usage_log_update_new": f"CREATE TRIGGER trg_usage_log_update_new AFTER UPDATE OF {columns} ON llm_usage_log"
        f" WHEN NEW.status <> 'open' BEGIN {add} END",
        "trg_usage_log_delete": "CREATE TRIGGER trg_usage_log_delete AFTER DELETE ON llm_usage_log"
        f" WHEN OLD.status <> 'open' AND {frozen} BEGIN {subtract} END",
    }


def _body(row: str, sign: str) -> str:
    statements = [] if sign else [f"{statement};" for statement in rollups.introduce(_event(_IDENTITY, row))]
    for projection in PROJECTIONS:
        events = _event(rollups.needed(projection), row)
        # A WHERE must stand before ON CONFLICT, or SQLite takes it for a join's ON.
        rows = rollups.project(projection, events, projection.keys, sign=sign, summed=False)
        statements.append(rollups.merge(projection.grain, rows if projection.only else rows + " WHERE true") + ";")
        if sign:
            table = projection.grain.table
            keys = rollups.project(replace(projection, measures={}), events, projection.keys, summed=False)
            statements.append(f"DELETE FROM {table.name} WHERE ({', '.join(projection.keys)}) = ({keys}) AND {rollups.is_zero(table)};")
    return " ".join(statements)


def _event(columns: tuple[str, ...], row: str) -> str:
    source = ", ".join(f"{row}.{name} AS {name}" for name in rollups.log_columns(columns))
    return f"({rollups.event('sqlite', f'(SELECT {source})', columns)}) AS event"


def _interning() -> dict[str, str]:
    """A text written as it is gets its number: one the writer did not know yet, or one from another system."""
    new = " OR ".join(f"typeof(NEW.{name}) = 'text'" for name in INTERNED)
    texts = " UNION ".join(f"SELECT NEW.{name} AS text WHERE typeof(NEW.{name}) = 'text'" for name in INTERNED)
    numbers = ", ".join(
        f"{name} = CASE typeof(NEW.{name}) WHEN 'text' THEN (SELECT number FROM usage_texts WHERE text = NEW.{name}) ELSE NEW.{name} END"
        for name in INTERNED
    )
    # Not OR IGNORE: within a trigger the statement that set it off decides on conflicts.
    body = (
        f"BEGIN INSERT INTO usage_texts (text) SELECT text FROM ({texts}) AS given"
        " WHERE NOT EXISTS (SELECT 1 FROM usage_texts AS known WHERE known.text = given.text);"
        f" UPDATE llm_usage_log SET {numbers} WHERE id = NEW.id; END"
    )
    made = {
        name: f"CREATE TRIGGER {name} AFTER {event} ON llm_usage_log WHEN {new} {body}"
        for name, event in (("trg_usage_log_intern", "INSERT"), ("trg_usage_log_intern_update", f"UPDATE OF {', '.join(INTERNED)}"))
    }
    return made | {name: sql for verb in ("update", "delete") for name, sql in _refusing(verb, "usage_texts").items()}


def _default_model() -> dict[str, str]:
    """Setting a default takes the flag from the one that had it; the row's own key is spared, for an upsert meets itself."""
    move = (
        "UPDATE llm_models SET is_default = 0, version = version + 1, updated_at = NEW.updated_at"
        " WHERE is_default AND owner_id IS NEW.owner_id AND {others}; END"
    )
    return {
        "trg_models_default_insert": "CREATE TRIGGER trg_models_default_insert BEFORE INSERT ON llm_models WHEN NEW.is_default BEGIN "
        + move.format(others="model_key <> NEW.model_key"),
        "trg_models_default_update": "CREATE TRIGGER trg_models_default_update BEFORE UPDATE OF is_default, owner_id ON llm_models"
        " WHEN NEW.is_default BEGIN " + move.format(others="id <> NEW.id"),
    }


def _append_only() -> dict[str, str]:
    made: dict[str, str] = {}
    for table, allowed in APPEND_ONLY.items():
        for verb in ("update", "delete"):
            made |= _refusing(verb, table, f" WHEN {allowed}" if allowed and verb == "delete" else "")
    last = "SELECT hash FROM audit_log WHERE id = NEW.id - 1"
    made["trg_audit_log_chain"] = (
        "CREATE TRIGGER trg_audit_log_chain BEFORE INSERT ON audit_log"
        f" WHEN NEW.id <> coalesce((SELECT max(id) FROM audit_log), 0) + 1 OR NEW.previous_hash <> coalesce(({last}), '{FIRST_HASH}')"
        f" BEGIN SELECT RAISE(ABORT, 'audit_log {REFUSAL}'); END"
    )
    return made


def _last_admin() -> dict[str, str]:
    """Row by row, for SQLite knows no other triggers: of several admins the last one of a statement is refused, and with it all."""
    was = "OLD.role = 'admin' AND OLD.is_active"
    others = f"EXISTS (SELECT 1 FROM profiles WHERE {ADMIN} AND user_id <> OLD.user_id)"
    made = {
        "trg_profiles_keep_admin_update": ("UPDATE OF role, is_active", f"{was} AND NOT (NEW.role = 'admin' AND NEW.is_active)"),
        "trg_profiles_keep_admin_delete": ("DELETE", was),
    }
    refused = f"BEGIN SELECT RAISE(ABORT, '{LAST_ADMIN}'); END"
    return {
        name: f"CREATE TRIGGER {name} BEFORE {event} ON profiles WHEN {when} AND NOT {others} {refused}"
        for name, (event, when) in made.items()
    }


def _refusing(verb: str, table: str, when: str = "") -> dict[str, str]:
    name = f"trg_{table}_no_{verb}"
    return {name: f"CREATE TRIGGER {name} BEFORE {verb.upper()} ON {table}{when} BEGIN SELECT RAISE(ABORT, '{table} {REFUSAL}'); END"}


def _views() -> dict[str, str]:
    made = {f"{g.table.name}_now": f"CREATE VIEW {g.table.name}_now AS {rollups.view(g)}" for g in GRAINS}
    spelled = {name: text_of(name) for name in INTERNED} | {name: _uuid_of(name) for name in PACKED}
    columns = ", ".join(f"{spelled[c.name]} AS {c.name}" if c.name in spelled else c.name for c in llm_usage_log.columns)
    return made | {READABLE: f"CREATE VIEW {READABLE} AS SELECT {columns} FROM llm_usage_log"}


def _uuid_of(column: str) -> str:
    digits = f"lower(hex({column}))"
    parts = " || '-' || ".join(f"substr({digits}, {first}, {length})" for first, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12)))
    return f"CASE typeof({column}) WHEN 'blob' THEN {parts} ELSE {column} END"
