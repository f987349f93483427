"""The audit log in plain words: one sentence for what was changed together, and before → after for each field."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from lib.pricing import Price
from lib.pricing.price import RATE_NAMES
from lib.registry.undo_values import label, said
from lib.store.audit import NOISE
from lib.store.audit_names import PRICES, Names
from lib.store.audit_reading import AuditChange, Entry, Part
from lib.store.schema import metadata
from lib.store.types import Timestamp

NOUNS: Mapping[str, tuple[str, str]] = {
    "llm_models": ("model", "models"),
    "llm_providers": ("provider", "providers"),
    PRICES: ("price", "prices"),
    "profiles": ("person", "people"),
    "credentials": ("key", "keys"),
    "model_compatibility_hints": ("hint", "hints"),
}
NOTHING = "–"
_SAID = {
    "credentials.set": "stored a key for {}",
    "credentials.remove": "removed the key of {}",
    "credentials.rotate": "encrypted the keys anew",
    "encryption_keys.insert": "made an encryption key",
    "account.invite": "invited {}",
    "account.reset_link": "made {} a link to set a new password",
    "account.password_set": "set a password",
    "profiles.insert": "added {} to the people",
    "sample.load": "loaded sample data",
    "sample.clear": "cleared the sample data",
    "llm_usage_log.price": "gave calls of {} the price they had none of",
    "model_compatibility_hints.manually_blacklisted": "blacklisted {}",
    "model_compatibility_hints.unblacklisted": "took {} off the blacklist",
    "model_compatibility_hints.preferred_endpoint": "chose the endpoint that {} is asked on first",
    "model_compatibility_hints.parameter_accepted": "kept a learned parameter of {}",
    "model_compatibility_hints.parameter_rejected": "rejected a learned parameter of {}",
    "model_compatibility_hints.reset": "forgot what was learned of {}",
    "model_compatibility_hints.cleaned_up": "cleaned up what was learned of {}",
}
"""What each action with a name of its own is in words."""
_VERBS = {"insert": "added {}", "update": "changed {}", "delete": "deleted {}"}
_FLAGS: Mapping[str, tuple[str, str]] = {
    "is_active": ("switched {} on", "switched {} off"),
    "hidden": ("hid {} from pickers", "showed {} in pickers"),
    "is_default": ("made {} the default", "took the default from {}"),
    "is_available": ("found {} at the provider again", "no longer found {} at the provider"),
}
_TWO_WORDS: Mapping[str, tuple[str, str]] = {"is_active": ("On", "Off"), "hidden": ("Hidden", "Shown")}
_BY_REF = {"provider_id": "llm_providers", "model_id": "llm_models", "owner_id": "profiles"}
_UNSAID = NOISE | {"id", "user_id"}
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one thing, before and after, in words."""

    name: str
    field: str
    before: str
    after: str


Earlier = Callable[[Entry], Mapping[str, Any] | None]
"""From a price's entry to the price that was in force before it, as columns."""


class Wording:
    """Writes changes for one reader; what belongs to another person alone is named, and told, no further than that."""

    def __init__(self, names: Names, earlier: Earlier, reader: str, timezone: ZoneInfo) -> None:
        self._names = names
        self._earlier = earlier
        self._reader = reader
        self._timezone = timezone

    def phrase(self, change: AuditChange) -> str:
        """Say what somebody did, as in "switched GPT-4o off"."""
        return _listed(list(dict.fromkeys(self._phrase(part, change) for part in _telling(change.parts))))

    def is_private(self, change: AuditChange) -> bool:
        """Whether a change is about what belongs to another person alone."""
        return any(map(self._is_private, change.entries))

    def differences(self, entries: Sequence[Entry]) -> Iterator[Difference]:
        """Yield what each entry did, field by field."""
        for entry in entries:
            if self._is_private(entry):
                yield Difference(self._name(entry), "", "not shown", "not shown")
                continue
            before, after = self._sides(entry)
            fields = [name for name in _order(entry.subject, {**before, **after}) if name not in _UNSAID]
            for field in fields:
                if before.get(field) != after.get(field):
                    yield Difference(
                        self._name(entry), label(field), self.value(field, before.get(field)), self.value(field, after.get(field))
                    )

    def value(self, field: str, value: Any) -> str:
        """Write one value as people read it, with a name in place of an id."""
        if value is None or value == "":
            return NOTHING
        if isinstance(value, Price):
            return _rates(dict(value.items())) or "unpriced"
        if field in _BY_REF:
            known = self._names.of(_BY_REF[field], value)
            return known.name if known and known.name else str(value)
        if field in RATE_NAMES:
            return _usd(value)
        if isinstance(value, bool):
            yes, no = _TWO_WORDS.get(field, ("Yes", "No"))
            return yes if value else no
        if moment := _moment(field, value):
            return moment.astimezone(self._timezone).strftime("%d %b %Y, %H:%M")
        if isinstance(value, Mapping):
            has = [name for name, on in value.items() if on is True]
            return ", ".join(has) if has and len(has) == len(value) else json.dumps(value, ensure_ascii=False) if value else "none"
        if isinstance(value, list | tuple):
            return ", ".join(each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in value) or "none"
        return str(value)

    def _phrase(self, part: Part, change: AuditChange) -> str:
        entry = part.sample
        action = entry.action if "." in entry.action else f"{entry.subject}.{entry.action}"
        what = self._what(part, change)
        if action in _SAID:
            return _SAID[action].format(what)
        if entry.subject == PRICES and entry.verb == "insert":
            return self._priced(part, what)
        if entry.verb == "update" and entry.after:
            return self._updated(part, change, what)
        return _VERBS[entry.verb].format(what) if entry.verb in _VERBS else f"did {action}"

    def _updated(self, part: Part, change: AuditChange, what: str) -> str:
        entries = [entry for entry in change.entries if entry.action == part.action]
        fields = list(part.sample.after or {})
        same = part.alike or (len(entries) == part.count and all(list(e.after or {}) == fields for e in entries))
        if fields == ["is_default"] and (chosen := next((e for e in entries if (e.after or {}).get("is_default")), None)):
            return _FLAGS["is_default"][0].format(self._name(chosen))
        if not same or self._is_private(part.sample):
            return f"changed {what}"
        if len(fields) == 1 and fields[0] in _FLAGS and part.alike:
            what = f"the account of {what}" if part.sample.subject == "profiles" else what
            return _FLAGS[fields[0]][0 if (part.sample.after or {})[fields[0]] else 1].format(what)
        if part.count == 1 and len(fields) == 1:
            ((field, after),) = (part.sample.after or {}).items()
            before, after = self.value(field, (part.sample.before or {}).get(field)), self.value(field, after)
            if len(before) + len(after) <= _LONGEST:
                return f"changed the {said(field)} of {what}: {before} → {after}"
        named = _listed([said(field) for field in fields[:4]]) + (" and more" if len(fields) > 4 else "")
        return f"changed {named} of {what}"

    def _priced(self, part: Part, what: str) -> str:
        if part.count > 1 or self._is_private(part.sample):
            return f"set prices of {what}"
        before, after = self._sides(part.sample)
        changed = [name for name in RATE_NAMES if before.get(name) != after.get(name)]
        if not any(before.get(name) is not None for name in RATE_NAMES):
            return f"set the price of {what}: {_rates(after) or 'unpriced'}"
        if not changed:
            return f"set the price of {what} again"
        steps = [f"{said(name)} {_usd(before.get(name))} → {_usd(after.get(name))}" for name in changed]
        return f"changed the price of {what}: {', '.join(steps)}"

    def _what(self, part: Part, change: AuditChange) -> str:
        """Name what a part is about: one thing by its name, several by their number."""
        many = NOUNS.get("llm_models" if part.sample.subject == PRICES else part.sample.subject, ("", "entries"))[1]
        if part.sample.subject == PRICES:
            models = {self._names.model_of(e.subject_id) for e in change.entries if e.action == part.action}
            if len(models) > 1 or part.count > len(change.entries):
                return f"{part.count if part.count > len(change.entries) else len(models):,} {many}"
        elif part.count > 1:
            return f"{part.count:,} {many}"
        return self._name(part.sample)

    def _name(self, entry: Entry) -> str:
        one = NOUNS.get(entry.subject, ("entry", ""))[0]
        if self._is_private(entry):
            return f"a {NOUNS['llm_models'][0] if entry.subject == PRICES else one} of their own"
        known = self._names.about(entry)
        told = entry.after or entry.before or {}
        name = known.name if known else told.get("display_name") or told.get("email") or told.get("model") or told.get("model_key")
        return str(name) if name else f"a {one} that is gone" if entry.subject_id else "Modeldeck"

    def _is_private(self, entry: Entry) -> bool:
        known = self._names.about(entry)
        owner = (known.owner_id if known else None) or (entry.after or entry.before or {}).get("owner_id")
        return owner is not None and owner != self._reader

    def _sides(self, entry: Entry) -> tuple[dict[str, Any], dict[str, Any]]:
        before, after = dict(entry.before or {}), dict(entry.after or {})
        if entry.subject == PRICES and entry.verb == "insert":
            before = dict(self._earlier(entry) or {})
            before, after = _exact(before), _exact(after)
            shown = {*RATE_NAMES, "tiers", "extra_rates", "source", "source_detail", "valid_from"}
            return {n: v for n, v in before.items() if n in shown}, {n: v for n, v in after.items() if n in shown}
        return before, after


def _telling(parts: Sequence[Part]) -> list[Part]:
    """Return the parts worth words: what comes or goes with a model, and the mentions of it, go without saying."""
    verbs = {(part.sample.subject, part.sample.verb) for part in parts}
    moved = ("llm_models", "insert") in verbs or ("llm_models", "delete") in verbs
    if moved:
        parts = [p for p in parts if p.sample.subject != PRICES]
    if ("llm_models", "delete") in verbs:
        parts = [p for p in parts if (p.sample.subject, p.sample.verb) != ("llm_models", "update")] or list(parts)
    if any(p.action == "account.invite" for p in parts):
        parts = [p for p in parts if p.action == "account.invite"]
    return list(parts)


def _order(subject: str, told: Mapping[str, Any]) -> list[str]:
    columns = [column.name for column in metadata.tables[subject].columns] if subject in metadata.tables else []
    return sorted(told, key=lambda name: (columns.index(name) if name in columns else len(columns), name))


def _moment(field: str, value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    tables = (metadata.tables[PRICES], metadata.tables["profiles"], metadata.tables["llm_models"])
    if isinstance(value, str) and any(field in t.c and isinstance(t.c[field].type, Timestamp) for t in tables):
        return datetime.fromisoformat(value)
    return None


def _exact(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Decimal(str(value)) if name in RATE_NAMES and value is not None else value for name, value in told.items()}


def _usd(value: Any) -> str:
    if value is None:
        return NOTHING
    number = Decimal(str(value))
    text = f"{number.normalize():f}"
    whole, _, digits = text.partition(".")
    return f"${int(whole):,}" + (f".{digits.ljust(2, '0')}" if digits else "")


def _rates(rates: Mapping[str, Any]) -> str:
    return ", ".join(f"{said(name)} {_usd(rates[name])}" for name in RATE_NAMES if rates.get(name) is not None)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "changed nothing"
