"""What an undo is: the differences it makes, why there may be none, and what a recorded change came to row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from lib.pricing.prices import TABLE as PRICES
from lib.registry.reader import MODELS, PROVIDERS
from lib.registry.values import SAMPLE
from lib.store.audit_reading import VERBS, AuditChange, Entry
from lib.store.base import Change
from lib.store.schema import llm_model_prices, llm_models, llm_providers
from lib.store.types import ExactDecimal, Timestamp

TABLES = {PROVIDERS: llm_providers, MODELS: llm_models}

_NOT_TAKEN_BACK: tuple[tuple[str, str], ...] = (
    ("credentials.", "Keys are never kept in the log. Paste the key again where it belongs."),
    ("encryption_keys.", "Encryption keys are changed on the server alone: keys set, keys rotate."),
    ("model_compatibility_hints.", "What was learned of a model is changed on the Resilience page."),
    ("account.", "A link or password is not taken back. Switch the account off instead, on the People page."),
    ("sample.", "Sample data is loaded and cleared as a whole, on the Overview page."),
    ("llm_usage_log.", "Calls keep the cost they were given."),
    ("profiles.", "Roles, accounts and subscriptions are changed on the People page."),
    ("", "Modeldeck does not know how to take this back."),
)
"""What the actions beginning so answer instead of being taken back; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class UndoLine:
    """One difference an undo makes: a field now and then. ``field`` is a column, "price", or "" for the row itself."""

    subject: str
    subject_id: str
    name: str
    field: str
    now: Any
    then: Any


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What taking a change back would do; with ``refusals`` it would do nothing, and they say why."""

    entry_id: int
    changes: tuple[Change, ...] = ()
    lines: tuple[UndoLine, ...] = ()
    notes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


def never(change: AuditChange) -> str | None:
    """Say why a change of this kind is never taken back; None when it may be, as far as its kind decides."""
    known = [part for part in change.parts if _table(part.action) in (*TABLES, PRICES) and part.sample.verb in VERBS]
    others = [part for part in change.parts if part not in known and not part.action.startswith("credentials.")]
    if not known or others:
        named = [_full_action(part.sample) for part in others or change.parts]
        return next(sentence for start, sentence in _NOT_TAKEN_BACK if any(action.startswith(start) for action in named))
    if any(SAMPLE in ((e.after or e.before or {}).get("model_type"), (e.after or e.before or {}).get("kind")) for e in change.entries):
        return dict(_NOT_TAKEN_BACK)["sample."]
    return None


@dataclass
class Net:
    """What a change did to one row: the columns before and after, all of them where it ``existed`` on one side only."""

    subject: str
    subject_id: str
    existed: bool
    alive: bool
    before: dict[str, Any]
    after: dict[str, Any]


def nets(entries: Sequence[Entry]) -> list[Net]:
    """Return what became of each row over all the entries, in the order they were first touched."""
    found: dict[tuple[str, str], Net] = {}
    for entry in entries:
        if entry.subject not in (*TABLES, PRICES) or entry.subject_id is None:
            continue
        before, after = _read(entry.subject, entry.before), _read(entry.subject, entry.after)
        key = entry.subject, entry.subject_id
        net = found.setdefault(key, Net(*key, entry.verb != "insert", True, {}, {}))
        net.before = before | net.before if net.existed else net.before
        net.alive = entry.verb != "delete"
        net.after |= after
    return [net for net in found.values() if net.existed or net.alive]


def _read(subject: str, told: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return columns as the Store takes them; the log holds moments and exact numbers as text."""
    table = llm_model_prices if subject == PRICES else TABLES[subject]
    return {name: _python(table.c[name].type, value) for name, value in (told or {}).items() if name in table.c}


def _python(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, Timestamp):
        return datetime.fromisoformat(value).astimezone(UTC)
    return Decimal(str(value)) if isinstance(kind, ExactDecimal) else value


_LABELS = {
    "base_url": "Base URL",
    "provider_id": "Provider",
    "owner_id": "Belongs to",
    "model_id": "Model",
    "model_key": "Key",
    "is_active": "On or off",
    "cache_read": "Cached input",
    "cache_write_5m": "Cache write",
    "cache_write_1h": "Cache write, 1 h",
    "valid_from": "In force from",
    "key_id": "Encryption key",
}


def label(field: str) -> str:
    """Write a column's name as people say it, to begin with: "display_order" as "Display order"."""
    return _LABELS.get(field) or field.removeprefix("is_").replace("_", " ").capitalize()


def said(field: str) -> str:
    """Write a column's name as people say it within a sentence."""
    name = label(field)
    return name[0].lower() + name[1:]


def since(later: Sequence[Entry], field: str | None) -> str:
    """End a sentence on what was changed since: by whom and when, of entries with the newest first."""
    for entry in later:
        if field is None or field in (entry.after or {}) or field in (entry.before or {}):
            return f" since by {entry.actor or 'Modeldeck'}, {entry.at:%d %b %Y, %H:%M} UTC."
    return " since, past Modeldeck."


def _full_action(entry: Entry) -> str:
    """Return an entry's action with its table; people's changes are written without."""
    return entry.action if "." in entry.action else f"{entry.subject}.{entry.action}"


def _table(action: str) -> str:
    return action.rpartition(".")[0]
