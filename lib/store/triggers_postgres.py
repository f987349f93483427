"""What guards the data on Postgres: the functions, triggers and views, as text.

Writers of the log never touch a rollup, so they cannot wait for each other: a trigger per statement appends signed
events to ``usage_delta``, and one folder at a time adds them up (lib.store.fold). Where rows do depend on each other,
a trigger BEFORE the statement takes one lock; a lock taken per row would deadlock.
"""

from __future__ import annotations

from dataclasses import dataclass

from lib.store import rollups
from lib.store.audit import AUDIT_LOCK, FIRST_HASH
from lib.store.grains import GRAINS, MEASURES
from lib.store.rollups import EVENT_COLUMNS
from lib.store.triggers_sqlite import ADMIN, APPEND_ONLY, LAST_ADMIN, REFUSAL

DEFAULT_LOCK = 7310946
"""The advisory lock under which a default model moves."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger; ``statement`` is in the exact words of pg_get_triggerdef, so that verify can compare them."""

    name: str
    timing: str
    table: str
    scope: str
    function: str

    @property
    def statement(self) -> str:
        return f"CREATE TRIGGER {self.name} {self.timing} ON public.{self.table} {self.scope} EXECUTE FUNCTION private.{self.function}()"


def triggers() -> tuple[Trigger, ...]:
    """Return every trigger."""
    statement, row = "FOR EACH STATEMENT", "FOR EACH ROW"
    old, new = "OLD TABLE AS old_rows", "NEW TABLE AS new_rows"
    made = [
        Trigger("trg_usage_log_insert", "AFTER INSERT", "llm_usage_log", f"REFERENCING {new} {statement}", "usage_log_insert"),
        Trigger("trg_usage_log_update", "AFTER UPDATE", "llm_usage_log", f"REFERENCING {old} {new} {statement}", "usage_log_update"),
        Trigger("trg_usage_log_delete", "AFTER DELETE", "llm_usage_log", f"REFERENCING {old} {statement}", "usage_log_delete"),
        Trigger("trg_usage_log_truncate", "BEFORE TRUNCATE", "llm_usage_log", statement, "usage_log_truncate"),
        Trigger("trg_audit_log_lock", "BEFORE INSERT", "audit_log", statement, "audit_log_lock"),
        Trigger("trg_audit_log_chain", "BEFORE INSERT", "audit_log", row, "audit_log_chain"),
    ]
    default = "BEFORE INSERT OR UPDATE OF is_default, owner_id"
    made.append(Trigger("trg_models_default_lock", default, "llm_models", statement, "models_default_lock"))
    made.append(Trigger("trg_models_default_move", default, "llm_models", f"{row} WHEN (new.is_default)", "models_default_move"))
    # Two who take each other's role away wait here, before any row is locked; then the second one meets what the first has done.
    made.append(Trigger("trg_profiles_admin_lock", "BEFORE DELETE OR UPDATE OF role, is_active", "profiles", statement, "audit_log_lock"))
    was, still = "(old.role = 'admin'::text) AND old.is_active", "(new.role = 'admin'::text) AND new.is_active"
    for name, when in (("update", f"{was} AND (NOT ({still}))"), ("delete", was)):
        made.append(
            Trigger(f"trg_profiles_keep_admin_{name}", f"AFTER {name.upper()}", "profiles", f"{row} WHEN (({when}))", "profiles_keep_admin")
        )
    made.append(Trigger("trg_profiles_no_truncate", "BEFORE TRUNCATE", "profiles", statement, "profiles_keep_admin"))
    for table in APPEND_ONLY:
        function = f"{table}_append_only"
        made.append(Trigger(f"trg_{function}", "BEFORE DELETE OR UPDATE", table, row, function))
        made.append(Trigger(f"trg_{table}_no_truncate", "BEFORE TRUNCATE", table, statement, function))
    return tuple(made)


def functions() -> dict[str, str]:
    """Return the body of each trigger function by name."""
    columns = ", ".join(EVENT_COLUMNS)
    closed_old = rollups.event("postgresql", "old_rows")
    closed_new = rollups.event("postgresql", "new_rows")
    thawed = f"{rollups.CLOSED} AND started_at >= coalesce(({rollups.FROZEN_BEFORE}), '-infinity')"
    taken = ", ".join(f"-{name}" if name in dict(MEASURES) else name for name in EVENT_COLUMNS)
    into = f"INSERT INTO usage_delta ({columns})"
    gone = rollups.event("postgresql", "old_rows", where=thawed)
    last = "SELECT hash FROM audit_log WHERE id = NEW.id - 1"
    return {
        "usage_log_insert": f"BEGIN {into} {closed_new}; RETURN NULL; END",
        # Nearly every update closes open calls; otherwise what it left as it was cancels out and is not written at all.
        "usage_log_update": f"BEGIN IF NOT EXISTS (SELECT FROM old_rows WHERE {rollups.CLOSED}) THEN {into} {closed_new};"
        f" ELSE {into} SELECT {taken} FROM ({closed_old} EXCEPT ALL {closed_new}) AS gone"
        f" UNION ALL SELECT {columns} FROM ({closed_new} EXCEPT ALL {closed_old}) AS come; END IF; RETURN NULL; END",
        "usage_log_delete": f"BEGIN {into} SELECT {taken} FROM ({gone}) AS gone; RETURN NULL; END",
        "models_default_lock": f"BEGIN PERFORM pg_advisory_xact_lock({DEFAULT_LOCK}); RETURN NULL; END",
        "models_default_move": "BEGIN UPDATE llm_models SET is_default = false, version = version + 1, updated_at = NEW.updated_at"
        " WHERE is_default AND owner_id IS NOT DISTINCT FROM NEW.owner_id AND id <> NEW.id AND model_key <> NEW.model_key;"
        " RETURN NEW; END",
        "audit_log_lock": f"BEGIN PERFORM pg_advisory_xact_lock({AUDIT_LOCK}); RETURN NULL; END",
        "audit_log_chain": "BEGIN"
        f" IF NEW.id <> coalesce((SELECT max(id) FROM audit_log), 0) + 1 OR NEW.previous_hash <> coalesce(({last}), '{FIRST_HASH}')"
        f" THEN RAISE EXCEPTION 'audit_log {REFUSAL}' USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW; END",
        # Locking the admin that is left makes a transaction that sees the past fail instead of counting one who is none any more.
        "profiles_keep_admin": f"BEGIN PERFORM FROM public.profiles WHERE {ADMIN} LIMIT 1 FOR SHARE;"
        f" IF FOUND = (TG_OP = 'TRUNCATE') THEN RAISE EXCEPTION '{LAST_ADMIN}' USING ERRCODE = 'restrict_violation'; END IF;"
        " RETURN NULL; END",
        "usage_log_truncate": "BEGIN RAISE EXCEPTION 'llm_usage_log keeps rollups: delete its rows instead'"
        " USING ERRCODE = 'restrict_violation'; END",
        **{f"{table}_append_only": _append_only(table, refused) for table, refused in APPEND_ONLY.items()},
    }


def _append_only(table: str, refused: str) -> str:
    allow = f"IF TG_OP = 'DELETE' THEN IF NOT {refused} THEN RETURN OLD; END IF; END IF;" if refused else ""
    return f"BEGIN {allow} RAISE EXCEPTION '{table} {REFUSAL}' USING ERRCODE = 'restrict_violation'; END"


def views() -> dict[str, str]:
    """Return each reader's view by name: the folded rows, and beside them those that still wait."""
    made = {}
    for grain in GRAINS:
        waiting = (rollups.project(p, "usage_delta AS event", p.shown, summed=False) for p in rollups.fed_by(grain))
        made[f"{grain.table.name}_now"] = " UNION ALL ".join((rollups.view(grain), *waiting))
    return made
