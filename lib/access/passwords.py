"""Passwords: what is accepted as one, and argon2id hashes of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from lib.errors import InvalidValue

SHORTEST, LONGEST = 10, 200
"""Length in characters; length is what makes a password strong, so nothing else is asked (NIST SP 800-63B, 5.1.1)."""
_AT_ONCE = 4
"""Each hash takes 64 MiB for its time, so a flood of sign-ins waits here instead of filling the memory."""
_HASHER = PasswordHasher()
_GATE = threading.BoundedSemaphore(_AT_ONCE)
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$bW9kZWxkZWNrLW5vYm9keQ$ZKWbHk5wWv0VHXoK8yGZgXjS4h4XJX9bDzi7aQmC0iM"
"""The hash checked for an address nobody has, so that the answer takes as long as for one somebody has."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a password was right; ``rehash`` holds a new hash where the stored one is weaker than today's."""

    right: bool
    rehash: str | None = None


def check_password(password: str, email: str) -> str:
    """Return a new password that may be used; raises InvalidValue with the reason when it may not."""
    if len(password) < SHORTEST:
        raise InvalidValue(f"Choose a password of at least {SHORTEST} characters; a few unrelated words do well.", field="password")
    if len(password) > LONGEST:
        raise InvalidValue(f"A password may have at most {LONGEST} characters.", field="password")
    if len(set(password)) < 4 or password.lower() in (email, email.partition("@")[0]):
        raise InvalidValue("This password is too easy to guess; choose a few unrelated words instead.", field="password")
    try:
        password.encode()
    except UnicodeEncodeError:
        raise InvalidValue("The password has a broken character; type it again.", field="password") from None
    return password


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, salt and cost in it."""
    with _GATE:
        return _HASHER.hash(password)


def verify_password(stored: str | None, password: str) -> Checked:
    """Check a password against a stored hash; None takes as long and is never right."""
    given = password[: LONGEST + 1].encode(errors="replace")
    with _GATE:
        try:
            right = _HASHER.verify(stored or _NOBODY, given) and stored is not None
        except (VerificationError, InvalidHashError):
            return Checked(False)
        if right and stored is not None and _HASHER.check_needs_rehash(stored):
            return Checked(True, _HASHER.hash(given))
    return Checked(right)
