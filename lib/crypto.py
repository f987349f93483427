"""Encrypting provider keys at rest: AES-256-GCM under a key of its own for every row.

ENCRYPTION_KEY → PBKDF2-HMAC-SHA256 with a stored salt → one master per key id → HKDF-SHA256 with a fresh salt → the
row's key. A token reads ``v1.<key id>.<salt>.<nonce>.<ciphertext>`` in urlsafe base64 without padding, and is bound
to the context it was written in: opened anywhere else, it is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lib.errors import SettingsError, WrongEncryptionKey

VERSION = "v1"
PBKDF2_ROUNDS = 100_000
_BASE64_PREFIX = "base64:"
_KEY_BYTES, _SALT_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 16, 12, 16
_LEGACY_SALT, _LEGACY_IV = 32, 16
_PREVIEW_HEAD, _PREVIEW_TAIL = 7, 4


def generate_encryption_key() -> str:
    """Return a fresh ENCRYPTION_KEY: 32 random bytes in its base64 spelling."""
    return _BASE64_PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def new_key_id() -> str:
    """Return an id for a master key; it says nothing about the key."""
    return secrets.token_hex(4)


def new_salt() -> str:
    """Return a fresh salt for a master key, as it is stored."""
    return _encode(os.urandom(_KEY_BYTES))


def derive_master(encryption_key: str, salt: str) -> bytes:
    """Return the 32-byte master of an ENCRYPTION_KEY and a stored salt; slow on purpose (about 30 ms)."""
    return hashlib.pbkdf2_hmac("sha256", _key_material(encryption_key), _decode(salt), PBKDF2_ROUNDS, _KEY_BYTES)


def check_value(master: bytes) -> str:
    """Return what is stored beside a salt so that a wrong ENCRYPTION_KEY is noticed before anything is opened."""
    return _encode(_derive(master, b"", b"modeldeck check value"))


def opens(master: bytes, stored_check: str) -> bool:
    """Whether this master is the one the check value was made from."""
    return hmac.compare_digest(check_value(master).encode(), stored_check.encode())


def encrypt(plaintext: str, *, master: bytes, key_id: str, context: Sequence[str]) -> str:
    """Return a token only the same master opens, and only in the same context.

    ``context`` names where the token lives, such as table, row, owner and origin; its parts cannot run into each other.
    """
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    row_key = _derive(master, salt, b"modeldeck row key")
    ciphertext = AESGCM(row_key).encrypt(nonce, plaintext.encode(), _aad(key_id, context))
    return ".".join((VERSION, key_id, _encode(salt), _encode(nonce), _encode(ciphertext)))


def decrypt(token: str, *, master: bytes, context: Sequence[str]) -> str:
    """Return the plaintext of a token; raise WrongEncryptionKey when key, context or any bit of it differ."""
    try:
        version, key_id, *parts = token.split(".")
        salt, nonce, ciphertext = (_decode(part) for part in parts)
        if version != VERSION or len(salt) != _SALT_BYTES or len(nonce) != _NONCE_BYTES:
            raise ValueError("not a token of this version")
        row_key = _derive(master, salt, b"modeldeck row key")
        return AESGCM(row_key).decrypt(nonce, ciphertext, _aad(key_id, context)).decode()
    except (InvalidTag, ValueError):
        raise _refused() from None


def key_id_of(token: str) -> str:
    """Return which master key a token was written under; raise WrongEncryptionKey when it is no token."""
    version, _, rest = token.partition(".")
    key_id, dot, _ = rest.partition(".")
    if version != VERSION or not key_id or not dot:
        raise _refused()
    return key_id


def preview(key: str) -> str:
    """Return what may be shown of a key: first 7 and last 4, or nothing when that would be more than half of it.

    >>> preview("sk-proj-FAKE0000test0000vector0001"), preview("hf_1234567")
    ('sk-proj...0001', '***')
    """
    if not key:
        return ""
    if (_PREVIEW_HEAD + _PREVIEW_TAIL) * 2 > len(key):
        return "***"
    return f"{key[:_PREVIEW_HEAD]}...{key[-_PREVIEW_TAIL:]}"


def decrypt_legacy(stored_value: str, encryption_key: str) -> str:
    """Open a value of the older format, for import only; raise WrongEncryptionKey when it does not open.

    The format is base64(salt[32] ‖ iv[16] ‖ tag[16] ‖ data): AES-256-GCM without AAD under a PBKDF2 key of its own;
    ``encryption_key`` is always taken as UTF-8 text.
    """
    try:
        blob = base64.b64decode(stored_value, validate=True)
        if base64.b64encode(blob).decode() != stored_value or len(blob) < _LEGACY_SALT + _LEGACY_IV + _TAG_BYTES:
            raise ValueError("not a stored value")
        salt, iv = blob[:_LEGACY_SALT], blob[_LEGACY_SALT : _LEGACY_SALT + _LEGACY_IV]
        tag, data = blob[_LEGACY_SALT + _LEGACY_IV :][:_TAG_BYTES], blob[_LEGACY_SALT + _LEGACY_IV + _TAG_BYTES :]
        key = hashlib.pbkdf2_hmac("sha256", encryption_key.encode(), salt, PBKDF2_ROUNDS, _KEY_BYTES)
        return AESGCM(key).decrypt(iv, data + tag, None).decode()
    except (InvalidTag, ValueError):
        raise _refused() from None


def _key_material(encryption_key: str) -> bytes:
    if not encryption_key.startswith(_BASE64_PREFIX):
        return encryption_key.encode()
    try:
        material = base64.b64decode(encryption_key.removeprefix(_BASE64_PREFIX), validate=True)
    except binascii.Error:
        raise SettingsError(
            "ENCRYPTION_KEY starts with base64: but the rest is not base64; make one with: python -m lib keys generate"
        ) from None
    if len(material) < _SALT_BYTES:
        raise SettingsError("ENCRYPTION_KEY is too short; make one with: python -m lib keys generate")
    return material


def _derive(master: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, info=purpose).derive(master)


def _aad(key_id: str, context: Sequence[str]) -> bytes:
    return json.dumps([VERSION, key_id, *context], ensure_ascii=False, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(data) != text:  # the last character may carry unused bits: one spelling only
        raise ValueError("not canonical base64")
    return data


def _refused() -> WrongEncryptionKey:
    return WrongEncryptionKey("This stored key cannot be read: it was written under another ENCRYPTION_KEY, or it was changed.")
