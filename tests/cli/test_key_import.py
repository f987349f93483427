"""Keys of an older system come in encrypted, are told row by row, and never show themselves."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lib.access import People, Principal, Role
from lib.credentials import Holder
from lib.registry import DraftModel
from lib.services import open_services
from lib.services.model_desk import ModelDesk
from lib.settings import load_settings
from lib.store.base import Actor

from .conftest import Run

pytestmark = pytest.mark.usefixtures("seeded")
OLD = "the older system's passphrase"
CANARY = "sk-legacy-canary-0123456789abcdef"
COLUMNS = ("provider", "model", "user", "encrypted_value")


def encrypted(key: str, passphrase: str = OLD) -> str:
    """Encrypt a key as the older system did: base64(salt ‖ iv ‖ tag ‖ data)."""
    salt, iv = os.urandom(32), os.urandom(16)
    derived = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, 100_000, 32)
    sealed = AESGCM(derived).encrypt(iv, key.encode(), None)
    return base64.b64encode(salt + iv + sealed[-16:] + sealed[:-16]).decode()


def as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def brought(run: Run, folder: Path, text: str, *options: str, **environ: str) -> Any:
    path = folder / "old-keys.txt"
    path.write_text(text, encoding="utf-8")
    ran = run("keys", "import", str(path), "--json", *options, **environ)
    assert CANARY not in ran.out + ran.err and OLD not in ran.out + ran.err
    return ran


def outcomes(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(row["outcome"], row["sentence"]) for row in document["rows"]]


@pytest.mark.parametrize("written", [json.dumps, as_csv])
def test_everyones_a_persons_and_models_keys_arrive_and_each_other_row_says_why_not(run: Run, tmp_path: Path, written: Any) -> None:
    data = tmp_path / "data"
    services = open_services(load_settings({"MODELDECK_DATA_DIR": str(data)}, tmp_path))
    people = People(services.engine, services.clock)
    for name in ("ada", "bob"):
        people.invite(f"{name}@example.com", Role.MEMBER, Actor("Setup"))
    ada = Principal(people.get("ada@example.com").user_id, "Ada", Role.MEMBER)
    draft = DraftModel(
        "box", "openai-compatible", "mine-1", {"display_name": "Ada's", "model_key": "mine"}, base_url="https://box.example/v1"
    )
    own = ModelDesk(services, ada, own=True).add(draft, "sk-adas-own-key-kept-000000")
    rows = [
        {"provider": "openai", "encrypted_value": encrypted(CANARY + "-1")},
        {"provider": "anthropic", "user": "ada@example.com", "encrypted_value": encrypted(CANARY + "-2")},
        {"model": "gpt-4o-mini", "encrypted_value": encrypted(CANARY + "-3")},
        {"model": "mine", "user": "ada@example.com", "encrypted_value": encrypted(CANARY + "-4")},
        {"provider": "box", "user": "ada@example.com", "encrypted_value": encrypted(CANARY + "-5")},
        {"provider": "openai", "encrypted_value": encrypted(CANARY + "-6")},
        {"provider": "groq", "encrypted_value": encrypted(CANARY + "-7", "another passphrase")},
        {"provider": "nowhere", "encrypted_value": encrypted(CANARY + "-8")},
        {"provider": "groq", "user": "eve@example.com", "encrypted_value": encrypted(CANARY + "-9")},
        {"model": "mine", "encrypted_value": encrypted(CANARY + "-10")},
        {"provider": "groq", "encrypted_value": "AAAA"},
        {"provider": "groq", "encrypted_value": encrypted("two words")},
        {"provider": "demo", "encrypted_value": encrypted(CANARY)},
    ]
    text = written([{name: row.get(name, "") for name in COLUMNS} for row in rows])
    dry = brought(run, tmp_path, text, "--dry-run", LEGACY_ENCRYPTION_KEY=OLD)
    assert (dry.code, dry.document["imported"]) == (1, 4)
    assert services.keys.status(services.registry(ada).provider("openai")).source == "missing", "a dry run stores nothing"
    ran = brought(run, tmp_path, text, LEGACY_ENCRYPTION_KEY=OLD)
    told = outcomes(ran.document)
    assert [outcome for outcome, _ in told] == ["imported"] * 4 + ["skipped"] * 2 + ["failed"] * 7
    said = "\n".join(sentence for _, sentence in told)
    for part in (
        "Row 1: everyone's OpenAI key was imported.",
        "Row 5: ada@example.com's OpenAI-compatible key is stored here already, and is kept.",
        "Row 7: it does not open. The old ENCRYPTION_KEY is another one",
        "There is no provider named 'nowhere' here.",
        "Nobody here is 'eve@example.com'. Invite them first",
        "This does not look like a key",
        "Demo needs no key.",
    ):
        assert part in said, part
    assert ran.code == 1 and "Rows that failed were left out" in ran.err
    keys, registry = services.keys, services.registry(ada)
    mini = registry.get("gpt-4o-mini")
    for number, (provider, model, user) in enumerate(
        [
            (registry.provider("openai"), None, None),
            (registry.provider("anthropic"), None, ada.user_id),
            (mini.provider, mini, None),
            (own.provider, registry.get(own.id), ada.user_id),
        ],
        start=1,
    ):
        found = keys.resolve(provider, model, user).api_key
        assert found is not None and found.get_secret_value() == f"{CANARY}-{number}"
    assert not keys.held(registry.provider("anthropic"), Holder("user", user_id=people.get("bob@example.com").user_id))
    again = brought(run, tmp_path, text, LEGACY_ENCRYPTION_KEY=OLD)
    assert again.document["imported"] == 0 and again.document["skipped"] == 6
    services.close()
    assert CANARY.encode() not in b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())


def test_the_old_key_is_read_where_no_process_list_shows_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps([{"provider": "openai", "encrypted_value": encrypted(CANARY)}]), encoding="utf-8")
    ran = run("keys", "import", str(path), input=f"{OLD}\n")
    assert (ran.code, ran.out.strip()) == (0, "Row 1: everyone's OpenAI key was imported.\n1 keys imported, 0 skipped, 0 failed.")
    assert run("keys", "import", str(path), input=" ").code == 2
    assert not any("key" in word for word in run("keys", "import", "--help").out.split() if word.startswith("--"))


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1, 2]", '[{"provider": "openai"}]', "provider,user\nopenai,\n", "[not json"])
def test_a_file_without_such_rows_is_refused_with_a_sentence(run: Run, tmp_path: Path, text: str) -> None:
    ran = brought(run, tmp_path, text, LEGACY_ENCRYPTION_KEY=OLD)
    assert (ran.code, ran.out) == (1, "") and len(ran.err.splitlines()) == 1 and ran.err.strip().endswith(".")


def test_an_import_that_cannot_be_written_leaves_nothing_half_done(run: Run, tmp_path: Path) -> None:
    rows = [{"provider": name, "encrypted_value": encrypted(f"{CANARY}-{name}")} for name in ("openai", "anthropic", "google")]
    database = tmp_path / "data" / "modeldeck.db"
    with sqlite3.connect(database) as connection:
        connection.execute(
            "CREATE TRIGGER third_fails BEFORE INSERT ON credentials WHEN (SELECT count(*) FROM credentials) = 2 BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    assert brought(run, tmp_path, json.dumps(rows), LEGACY_ENCRYPTION_KEY=OLD).code != 0
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM credentials").fetchone() == (0,)
        connection.execute("DROP TRIGGER third_fails")
    assert brought(run, tmp_path, json.dumps(rows), LEGACY_ENCRYPTION_KEY=OLD).document["imported"] == 3
