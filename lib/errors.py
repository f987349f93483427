"""The error tree: every error's message is a sentence a person can act on.

ModeldeckError
├─ SettingsError            the configuration is incomplete or contradictory
├─ NotAllowed               the principal's role does not permit this
│  ├─ SignInRequired        nobody is signed in
│  ├─ SubscriptionRequired  models are for subscribers here, and this person is none
│  ├─ SignInRefused         the address and the password do not go together
│  └─ TooManyAttempts       signing in failed too often lately
├─ StoreError
│  ├─ NotFound
│  ├─ InvalidValue          a value the schema refuses; .field names it
│  ├─ StaleVersion          somebody changed the row first
│  └─ StoreUnavailable      locked, read-only, disk full, corrupt, unreachable, wrong schema; .reason says which
├─ CredentialError
│  ├─ KeyRequired           no key for this provider
│  └─ WrongEncryptionKey    the stored keys were written under another ENCRYPTION_KEY
├─ ModelError
│  ├─ UnknownModel
│  └─ ModelNotUsable        known, but off, gone or without a key
└─ ProviderError            a provider refused or failed; built by lib.providers.errors.classify
   ├─ StreamTruncated       a stream ended without its finish
   └─ NoCandidateLeft       every model that may serve the call failed; .failures says how each did
"""

from __future__ import annotations

from typing import Literal

ErrorKind = Literal[
    "timeout",
    "network",
    "rate-limit",
    "quota",
    "auth",
    "model-incompatible",
    "context-length",
    "content-filter",
    "bad-request",
    "unknown",
]
StoreFault = Literal[
    "locked",
    "read-only",
    "disk-full",
    "corrupt",
    "unreachable",
    "refused-password",
    "no-database",
    "missing-schema",
    "older-schema",
    "newer-schema",
    "no-project",
    "wrong-pooler",
    "refused-key",
    "paused",
    "busy",
    "not-granted",
    "too-slow",
]

TRANSIENT_KINDS: frozenset[ErrorKind] = frozenset({"timeout", "network", "rate-limit"})
"""Kinds that pass by themselves: retried and cooled down, never counted against a model."""


class ModeldeckError(Exception):
    """Any failure Modeldeck explains; str() is the sentence to show."""


class SettingsError(ModeldeckError):
    """The configuration cannot be used; the message says what to set."""


class NotAllowed(ModeldeckError):
    """The principal may not do this."""


class SignInRequired(NotAllowed):
    """Nobody is signed in, or the session is over."""


class SubscriptionRequired(NotAllowed):
    """The person has no active subscription, where one is required."""


class SignInRefused(NotAllowed):
    """The e-mail address and the password do not go together."""


class TooManyAttempts(NotAllowed):
    """Signing in failed too often lately; the message says how long to wait."""


class StoreError(ModeldeckError):
    """The database refused or could not answer."""


class NotFound(StoreError):
    """The row asked for does not exist, or is not visible to this principal."""


class InvalidValue(StoreError):
    """A value was refused; ``field`` names the column when one is to blame."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class StaleVersion(StoreError):
    """The row changed since it was read; nothing was written."""


class StoreUnavailable(StoreError):
    """The database cannot be used at all right now; ``reason`` is machine-readable."""

    def __init__(self, message: str, *, reason: StoreFault) -> None:
        super().__init__(message)
        self.reason: StoreFault = reason


class CredentialError(ModeldeckError):
    """A provider key is missing or cannot be read."""


class KeyRequired(CredentialError):
    """No key is stored or configured for the provider; ``provider`` is its slug."""

    def __init__(self, message: str, *, provider: str) -> None:
        super().__init__(message)
        self.provider = provider


class WrongEncryptionKey(CredentialError):
    """Stored keys were encrypted under another ENCRYPTION_KEY, or were tampered with."""


class ModelError(ModeldeckError):
    """The model asked for cannot be called."""


class UnknownModel(ModelError):
    """No model answers to this id, key or name."""


class ModelNotUsable(ModelError):
    """The model exists but is off, gone upstream or lacks a key; the message says which, and ``needs_key`` whether it is a key."""

    def __init__(self, message: str, *, needs_key: bool = False) -> None:
        super().__init__(message)
        self.needs_key = needs_key


class ProviderError(ModeldeckError):
    """A provider refused or failed, classified.

    ``kind`` is one of ErrorKind, ``status`` the HTTP status if there was one, ``code`` the provider's own
    structured code, ``retry_after`` seconds (already capped), ``suggested_endpoint`` an endpoint the
    provider named instead, ``param`` the parameter it refused. The message is safe to show: it never carries a key.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind = "unknown",
        provider: str | None = None,
        status: int | None = None,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        suggested_endpoint: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.provider = provider
        self.status = status
        self.code = code
        self.retryable = kind in TRANSIENT_KINDS if retryable is None else retryable
        self.retry_after = retry_after
        self.suggested_endpoint = suggested_endpoint
        self.param = param

    @property
    def transient(self) -> bool:
        """Whether the fault passes by itself (timeout, network, rate-limit)."""
        return self.kind in TRANSIENT_KINDS


class NoCandidateLeft(ProviderError):
    """Every candidate failed; the message gives each one's own reason, ``failures`` their names and errors in the order tried.

    Everything else is that of the first failure: of the model that was asked for, unless it was put back.
    """

    def __init__(self, message: str, failures: tuple[tuple[str, ProviderError], ...]) -> None:
        first = failures[0][1]
        super().__init__(
            message,
            kind=first.kind,
            provider=first.provider,
            status=first.status,
            code=first.code,
            retryable=first.retryable,
            retry_after=first.retry_after,
        )
        self.failures = failures


class Cancelled(BaseException):
    """Whoever wanted the answer has left: nobody's failure, so that no handler of failures catches it."""


class StreamTruncated(ProviderError):
    """A stream ended before its finish event; what arrived so far is incomplete."""

    def __init__(self, message: str = "The answer broke off before the provider finished it.", *, provider: str | None = None) -> None:
        super().__init__(message, kind="network", provider=provider)
