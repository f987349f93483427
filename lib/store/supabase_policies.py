"""Who may do what with each table when they talk to Supabase's API themselves: rows of data, one per table.

Row-level security and grants are made of them (lib.store.supabase_guards). The server connects as the owner and is not
bound by them. A table without a row here can be reached by nobody but the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lib.store.grains import ROLLUPS
from lib.store.schema import metadata
from lib.store.triggers_sqlite import APPEND_ONLY

Verb = Literal["select", "insert", "update", "delete"]

# Each is asked once per statement, not once per row, because it stands in a sub-select of its own.
PERSON = "(SELECT private.person())"
"""SQL for the id of whoever asks; NULL unless they have a profile that is switched on."""
ANYBODY = f"{PERSON} IS NOT NULL"
ADMIN = "(SELECT private.has_role('admin'))"
ANALYST = "(SELECT private.has_role('analyst', 'admin'))"

_SEES = f"owner_id = {PERSON} OR (owner_id IS NULL AND {ANYBODY}) OR {ADMIN}"
_WRITES = f"owner_id = {PERSON} OR (owner_id IS NULL AND {ADMIN})"
_OWNS = f"owner_id = {PERSON}"
# Asked under the same policies: a provider, conversation or comparison that is not shown is as good as absent.
_PROVIDER_SEEN = "EXISTS (SELECT FROM public.llm_providers AS p WHERE p.id = provider_id)"
_MODEL_WRITTEN = (
    f"EXISTS (SELECT FROM public.llm_models AS m WHERE m.id = model_id AND (m.owner_id = {PERSON} OR (m.owner_id IS NULL AND {ADMIN})))"
)
_CONVERSATION_OWNED = f"EXISTS (SELECT FROM public.conversations AS c WHERE c.id = conversation_id AND c.owner_id = {PERSON})"
_COMPARISON_OWNED = f"EXISTS (SELECT FROM public.comparisons AS c WHERE c.id = comparison_id AND c.owner_id = {PERSON})"


@dataclass(frozen=True, slots=True)
class Access:
    """What a signed-in person may do with a table: for each verb allowed at all, SQL that a row must meet.

    A row must meet it before an update and after; ``columns`` limits which ones an update may name.
    """

    verbs: Mapping[Verb, str]
    columns: Mapping[Verb, tuple[str, ...]] = field(default_factory=dict)


def _all(condition: str) -> Access:
    return Access(dict.fromkeys(("select", "insert", "update", "delete"), condition))


def _reads(condition: str) -> Access:
    return Access({"select": condition})


_MODEL_WRITES = f"({_WRITES}) AND {_PROVIDER_SEEN}"
ACCESS: dict[str, Access] = {
    "llm_providers": Access({"select": _SEES, "insert": _WRITES, "update": _WRITES, "delete": _WRITES}),
    "llm_models": Access({"select": _SEES, "insert": _MODEL_WRITES, "update": _MODEL_WRITES, "delete": _WRITES}),
    "llm_model_prices": Access({"select": "EXISTS (SELECT FROM public.llm_models AS m WHERE m.id = model_id)", "insert": _MODEL_WRITTEN}),
    "profiles": Access(
        {"select": f"user_id = {PERSON} OR {ADMIN}", "update": f"user_id = {PERSON}"},
        {"update": ("display_name", "preferences", "updated_at", "version")},
    ),
    "conversations": _all(_OWNS),
    "llm_messages": _all(_CONVERSATION_OWNED),
    "comparisons": _all(_OWNS),
    "votes": _all(f"voter_id = {PERSON} AND {_COMPARISON_OWNED}"),
    "model_compatibility_hints": _reads(ANYBODY),
    "hint_events": _reads(ANALYST),
    "llm_usage_log": _reads(f"user_id = {PERSON} OR {ANALYST}"),
    "latency_edges": _reads(ANYBODY),
    **dict.fromkeys(("usage_models", "usage_users", "usage_delta", "rollup_state"), _reads(ANALYST)),
    **{rollup.name: _reads(ANALYST) for rollup in ROLLUPS},
    **dict.fromkeys(("audit_log", "sync_runs", "sync_items", "instances"), _reads(ADMIN)),
}

EXPOSED = (*sorted({*(t.name for t in metadata.tables.values() if t.schema is None), "usage_delta"}),)
"""Every table in the schema that the API exposes."""
PRIVATE_TABLES = (*sorted(t.name for t in metadata.tables.values() if t.schema == "private"), "alembic_version")
"""Every table that no API reaches."""
SERVICE_VERBS: dict[str, str] = {
    name: "SELECT" if name == "audit_log" else "SELECT, INSERT" if name in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
    for name in EXPOSED
}
"""What the project's secret key may do with each table: it passes row-level security, but nothing rewrites history."""
