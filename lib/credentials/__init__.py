"""Provider keys: stored encrypted, shown as previews, resolved for one call."""

from __future__ import annotations

from lib.credentials.keyring import KeyRing
from lib.credentials.rotation import Rotation
from lib.credentials.values import (
    SYSTEM,
    Holder,
    KeyOverview,
    KeyScope,
    KeySource,
    KeyStatus,
    ProviderRef,
    ResolvedKey,
    effective_base_url,
    origin,
)
from lib.credentials.vault import Vault

__all__ = [
    "SYSTEM",
    "Holder",
    "KeyOverview",
    "KeyRing",
    "KeyScope",
    "KeySource",
    "KeyStatus",
    "ProviderRef",
    "ResolvedKey",
    "Rotation",
    "Vault",
    "effective_base_url",
    "origin",
]
