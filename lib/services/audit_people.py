"""Taking back what was changed about a person: their role, account or subscription, by the rules that People keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.access import People, Role
from lib.errors import InvalidValue
from lib.registry.undo_values import UndoLine, UndoPlan, said, since
from lib.store.audit_reading import AuditChange, latest
from lib.store.base import Actor
from lib.store.schema import profiles

_SUBSCRIPTION = frozenset({"has_subscription", "is_trial", "expiry_date"})
_KINDS = (frozenset({"role"}), frozenset({"is_active"}), _SUBSCRIPTION)
"""Which columns of a profile are changed together, each by a method of People."""


def is_about_people(change: AuditChange) -> bool:
    """Whether a change is one that People made and can make the other way round."""
    entry = change.head
    fields = set(entry.after or ())
    return change.count == 1 and entry.subject == profiles.name and entry.verb == "update" and any(fields <= kind for kind in _KINDS)


def plan(connection: Connection, change: AuditChange) -> UndoPlan:
    """Compare what the change left with the profile as it is now."""
    entry = change.head
    row = connection.execute(sa.select(profiles).where(profiles.c.user_id == entry.subject_id)).mappings().first()
    if row is None or row["email"] is None:
        return UndoPlan(change.first, refusals=("This person has no account any more.",))
    name, refusals, lines = str(row["display_name"] or row["email"]), [], []
    for field, after in (entry.after or {}).items():
        before = _python(field, (entry.before or {}).get(field))
        if row[field] != _python(field, after):
            later = latest(connection, entry.subject, [str(entry.subject_id)], after=change.last)
            refusals.append(f"{name}: {said(field)} was changed{since(later, field)}")
        lines.append(UndoLine(entry.subject, row["email"], name, field, row[field], before))
    return UndoPlan(change.first, lines=() if refusals else tuple(lines), refusals=tuple(refusals))


def carry_out(people: People, plan: UndoPlan, actor: Actor) -> None:
    """Make the change the other way round; raises InvalidValue when no admin would be left."""
    email, then = plan.lines[0].subject_id, {line.field: line.then for line in plan.lines}
    if "role" in then:
        people.set_role(email, Role(then["role"]), actor)
    elif "is_active" in then:
        people.set_active(email, bool(then["is_active"]), actor)
    elif then.keys() <= _SUBSCRIPTION:
        person = people.get(email)
        kept = {name: then.get(name, getattr(person, name)) for name in _SUBSCRIPTION}
        people.set_subscription(email, **kept, actor=actor)
    else:
        raise InvalidValue("Modeldeck does not know how to take this back.")


def _python(field: str, value: Any) -> Any:
    return datetime.fromisoformat(value).astimezone(UTC) if field == "expiry_date" and value else value
