"""Whose a key is, and whose word it takes to change it."""

from __future__ import annotations

from lib.access import Principal, Role, require
from lib.credentials import SYSTEM, Holder
from lib.errors import NotFound
from lib.registry import Model, Provider


def holder_of(principal: Principal, provider: Provider) -> Holder:
    """Return who holds a provider's key: everyone, for whom an admin speaks, or the owner of one of their own.

    Raises NotAllowed for everybody but admins, and NotFound for a provider that is somebody else's.
    """
    if provider.owner_id is None:
        require(principal, Role.ADMIN)
        return SYSTEM
    return own_holder(principal, provider)


def own_holder(principal: Principal, provider: Provider) -> Holder:
    """Return the principal as holder of a key for themselves; raise NotFound for a provider that is somebody else's."""
    if not principal.user_id or provider.owner_id not in (None, principal.user_id):
        raise NotFound(f"There is no provider named {provider.slug[:100]!r} here.")
    return Holder("user", user_id=principal.user_id)


def where_to_paste(principal: Principal, model: Model) -> str:
    """Return, for a model that lacks a key, a sentence that says where this person can paste one; empty for any other."""
    if model.provider.unreachable or model.key_in_use.ready:
        return ""
    if not model.is_own and principal.role.includes(Role.ADMIN):
        return "Paste one on its card on the Providers page."
    return "API key required: paste yours on your Profile page."
