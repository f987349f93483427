"""``access``: who may sign in, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lib.cli.output import emit, json_option, table

if TYPE_CHECKING:
    from lib.access import Link, Person

_ROLES = click.Choice(["admin", "analyst", "member"])


@click.group()
def access() -> None:
    """Invite people, change their role, and switch accounts off and on."""


@access.command("list")
@json_option
def list_people(as_json: bool) -> None:
    """List everybody with an account."""
    from lib.cli.session import session

    with session() as opened:
        people = opened.services.people(opened.principal).list()
    rows = [(p.email, str(p.role), _state(p), p.last_seen_at.strftime("%Y-%m-%d %H:%M") if p.last_seen_at else "never") for p in people]
    lines = table(("e-mail", "role", "state", "last seen"), rows) if rows else ["Nobody yet. Add the first: access grant-admin EMAIL"]
    emit(as_json, [_document(p) for p in people], lines)


@access.command("grant-admin")
@click.argument("email")
@json_option
def grant_admin(email: str, as_json: bool) -> None:
    """Make EMAIL an admin, adding them when they are new; prints the link with which they set a password."""
    from lib.cli.session import session

    with session() as opened:
        person, link = opened.services.people(opened.principal).grant_admin(email, opened.actor)
    emit(as_json, _document(person) | _link(link), [f"{person.email} is an admin.", *_handed(link)])


@access.command()
@click.argument("email")
@click.option("--role", type=_ROLES, default="member", show_default=True, help="What they may do.")
@json_option
def invite(email: str, role: str, as_json: bool) -> None:
    """Add EMAIL and print the link with which they set a password, or have Supabase send it; an earlier link stops working."""
    from lib.access import Role
    from lib.cli.session import session

    with session() as opened:
        people = opened.services.people(opened.principal)
        link = people.invite(email, Role(role), opened.actor)
        person = people.get(email)
    handed = _handed(link) or ["Supabase is sending them a mail."]
    emit(as_json, _document(person) | _link(link), [f"{person.email} is invited as {person.role}.", *handed])


@access.command()
@click.argument("email")
@json_option
def reset(email: str, as_json: bool) -> None:
    """Print a link with which EMAIL sets a new password; the old one works until then."""
    from lib.cli.session import session

    with session() as opened:
        people = opened.services.people(opened.principal)
        link = people.reset(email, opened.actor)
        person = people.get(email)
    emit(as_json, _document(person) | _link(link), _handed(link))


@access.command()
@click.argument("email")
@click.argument("role", type=_ROLES)
@json_option
def role(email: str, role: str, as_json: bool) -> None:
    """Give EMAIL another ROLE, at once and everywhere."""
    from lib.access import Role
    from lib.cli.session import session

    with session() as opened:
        person = opened.services.people(opened.principal).set_role(email, Role(role), opened.actor)
    emit(as_json, _document(person), [f"{person.email} is {'an' if role != 'member' else 'a'} {person.role} now."])


@access.command()
@click.argument("email")
@json_option
def disable(email: str, as_json: bool) -> None:
    """Switch EMAIL's account off and end its sessions; nothing of theirs is removed."""
    _switch(email, False, as_json)


@access.command()
@click.argument("email")
@json_option
def enable(email: str, as_json: bool) -> None:
    """Switch EMAIL's account on again."""
    _switch(email, True, as_json)


def _switch(email: str, active: bool, as_json: bool) -> None:
    from lib.cli.session import session

    with session() as opened:
        person = opened.services.people(opened.principal).set_active(email, active, opened.actor)
    emit(as_json, _document(person), [f"{person.email} {'may sign in again' if active else 'cannot sign in any more'}."])


def _state(person: Person) -> str:
    return person.state if person.is_active else "off"


def _handed(link: Link | None) -> list[str]:
    if link is None or not link.path:
        return []
    until = link.expires_at.strftime("%Y-%m-%d %H:%M UTC")
    return [f"Hand them this link, put behind your server's address; it works once, until {until}:", link.path]


def _link(link: Link | None) -> dict[str, Any]:
    handed = link if link is not None and link.path else None
    return {"link": handed.path if handed else None, "link_expires_at": handed.expires_at.isoformat() if handed else None}


def _document(person: Person) -> dict[str, Any]:
    return {
        "email": person.email,
        "name": person.display_name,
        "role": str(person.role),
        "state": _state(person),
        "has_subscription": person.has_subscription,
        "is_trial": person.is_trial,
        "expiry_date": person.expiry_date.isoformat() if person.expiry_date else None,
        "last_seen_at": person.last_seen_at.isoformat() if person.last_seen_at else None,
    }
