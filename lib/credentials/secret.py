"""The ENCRYPTION_KEY itself: given in the settings, or kept in a file of the data folder."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from lib.crypto import generate_encryption_key
from lib.errors import SettingsError
from lib.settings import Settings

KEY_FILE = "encryption.key"
NEXT_FILE = "encryption.key.next"


class EncryptionSecret:
    """Where ENCRYPTION_KEY is read from and, in embedded mode, made.

    During a rotation of the file both the current and the next key are readable, so that a half-done rotation
    loses nothing and a running server keeps reading every row.
    """

    def __init__(self, settings: Settings) -> None:
        self._given = settings.encryption_key
        self._path = settings.data_dir / KEY_FILE
        self._next = settings.data_dir / NEXT_FILE

    def __repr__(self) -> str:
        return f"EncryptionSecret({'settings' if self._given else self._path})"

    @property
    def from_settings(self) -> bool:
        """Whether the key was given in the settings; such a key is the operator's to change."""
        return self._given is not None

    def readable(self) -> tuple[str, ...]:
        """Return the keys stored values may have been written under; none when the file is gone."""
        if self._given is not None:
            return (self._given.get_secret_value(),)
        return tuple(key for key in (_read(self._path), _read(self._next)) if key)

    def writable(self) -> str:
        """Return the key to write under, making the file on first use; processes that race agree on one."""
        if self._given is not None:
            return self._given.get_secret_value()
        return _read(self._next) or _read(self._path) or _create(self._path, generate_encryption_key())

    def begin_rotation(self, new: str | None) -> str:
        """Return the key to rotate to; a file key is put beside the current one first, so that it cannot be lost."""
        if self._given is not None:
            if new is None:
                raise SettingsError(
                    "ENCRYPTION_KEY comes from the settings, so the new key has to be given; make one with: python -m lib keys generate"
                )
            return new
        begun = _read(self._next)
        if begun and new and begun != new:
            raise SettingsError(f"A rotation to another key was begun; finish it first by rotating without a key (see {self._next}).")
        return begun or _create(self._next, new or generate_encryption_key())

    def finish_rotation(self) -> None:
        """Make the next key the current one."""
        if self._given is None and self._next.exists():
            self._next.replace(self._path)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"The encryption key in {path} cannot be read. Check its permissions, or set ENCRYPTION_KEY.") from None


def _create(path: Path, key: str) -> str:
    """Write the key so that it appears whole or not at all, mode 0600, and return the one that won."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, key.encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return _read(path) or key
        return key
    except OSError as error:
        raise SettingsError(
            f"The encryption key cannot be written to {path} ({error.strerror}). Make the folder writable, or set ENCRYPTION_KEY."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
