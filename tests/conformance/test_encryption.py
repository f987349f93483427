"""Keys written by the older system open with its ENCRYPTION_KEY, and tampered ones do not."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from lib.crypto import decrypt_legacy, preview
from lib.errors import WrongEncryptionKey

FOLDER = os.environ.get("CONFORMANCE_DIR")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="CONFORMANCE_DIR is not set: legacy encryption vectors not checked")


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((Path(FOLDER or "") / "encryption" / "vectors.json").read_text(encoding="utf-8"))
    return loaded


def test_every_vector_opens_and_shows_its_preview(vectors: dict[str, Any]) -> None:
    assert vectors["vectors"]
    for vector in vectors["vectors"]:
        assert decrypt_legacy(vector["stored_value"], vector["ENCRYPTION_KEY"]) == vector["plaintext"], vector["name"]
        assert preview(vector["plaintext"]) == vector["preview"], vector["name"]


def test_every_tampered_vector_is_refused(vectors: dict[str, Any]) -> None:
    assert vectors["negative"]
    for vector in vectors["negative"]:
        with pytest.raises(WrongEncryptionKey):
            decrypt_legacy(vector["stored_value"], vector["ENCRYPTION_KEY"])


def test_every_byte_of_a_stored_value_counts(vectors: dict[str, Any]) -> None:
    vector = vectors["vectors"][0]
    blob = base64.b64decode(vector["stored_value"])
    for position in range(0, len(blob), 7):
        changed = blob[:position] + bytes([blob[position] ^ 1]) + blob[position + 1 :]
        with pytest.raises(WrongEncryptionKey):
            decrypt_legacy(base64.b64encode(changed).decode(), vector["ENCRYPTION_KEY"])
    for cut in (vector["stored_value"][:-4], vector["stored_value"] + "\n", "", "not base64"):
        with pytest.raises(WrongEncryptionKey):
            decrypt_legacy(cut, vector["ENCRYPTION_KEY"])


def test_short_keys_show_nothing_of_themselves(vectors: dict[str, Any]) -> None:
    # vectors.json previews a short key by its first characters ("abc" as "abc***"), which gives the whole key away;
    # here a preview that would reveal more than half of a key is "***".
    for case in vectors["preview_cases"]:
        assert preview(case["key"]) == ("***" if case["key"] else ""), case
