"""The way to the page where somebody can paste the key that is missing: an admin's is everyone's, anybody else's their own."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lib.access import Principal, Role
from lib.registry import Model
from lib.services import Services
from lib.ui.format import literal

_NAMED = 3
PROVIDERS, PROFILE = "pages/admin/providers.py", "pages/play/profile.py"


def lacking(models: Sequence[Model]) -> list[Model]:
    """Return the models that are on and lack nothing but a key this person could call them with."""
    return [m for m in models if m.is_active and m.is_available and not m.hidden and not m.provider.unreachable and not m.key_in_use.ready]


def listed(models: Sequence[Model]) -> str:
    """Return the names of the first few models."""
    names = [literal(m.display_name) for m in models[:_NAMED]]
    return ", ".join(names) + (f" and {len(models) - _NAMED:,} others" if len(models) > _NAMED else "")


def link(services: Services, principal: Principal) -> None:
    """Draw the link."""
    if services.settings.mode == "embedded" or principal.role.includes(Role.ADMIN):
        st.page_link(PROVIDERS, label="Add a provider key", icon=":material/hub:")
    else:
        st.page_link(PROFILE, label="Add a key of your own", icon=":material/key:")
