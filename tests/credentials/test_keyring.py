"""A pasted key serves calls, is never shown again, and goes nowhere but where it was pasted for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.credentials import Holder, KeyRing, KeyStatus, origin
from lib.errors import InvalidValue, KeyRequired, WrongEncryptionKey
from lib.store.schema import audit_log, credentials, encryption_keys
from tests.credentials.conftest import ACTOR, CANARY, NOW, Ref

Ring = Callable[..., KeyRing]
OPENAI = Ref()
OLLAMA = Ref(2, "ollama", "ollama", "Ollama")
AZURE = Ref(3, "azure", "azure", "Azure OpenAI")
MINE = Ref(4, "mine", "openai", "My proxy", "http://localhost:9999/v1", owner_id="u1")


def test_a_pasted_key_is_used_and_only_its_preview_is_seen(ring: Ring) -> None:
    keys = ring()
    assert keys.status(OPENAI) == KeyStatus("missing")
    assert keys.set_system_key(OPENAI, f"  {CANARY}\n", ACTOR, tested_at=NOW) == KeyStatus("stored", "sk-cana...81c4", NOW)
    found = keys.resolve(OPENAI)
    assert found.api_key is not None and found.api_key.get_secret_value() == CANARY
    assert found.scope == "system"
    assert CANARY not in repr((keys, vars(keys), found, keys.status(OPENAI)))


def test_another_process_reads_it_and_a_removed_key_is_gone(ring: Ring) -> None:
    ring().set_system_key(OPENAI, CANARY, ACTOR)
    later = ring()
    assert later.resolve(OPENAI).api_key is not None
    assert later.remove_system_key(OPENAI, ACTOR) == KeyStatus("missing")
    with pytest.raises(KeyRequired, match=r"^OpenAI needs a key: paste one on its card") as missing:
        later.resolve(OPENAI)
    assert missing.value.provider == "openai"


def test_a_pasted_key_outranks_the_environments_until_it_is_removed(ring: Ring) -> None:
    keys = ring(OPENAI_API_KEY="sk-from-the-environment-000000")
    assert keys.status(OPENAI) == KeyStatus("environment", "sk-from...0000")
    keys.set_system_key(OPENAI, CANARY, ACTOR)
    resolved = keys.resolve(OPENAI).api_key
    assert resolved is not None and resolved.get_secret_value() == CANARY
    assert keys.remove_system_key(OPENAI, ACTOR).source == "environment"
    resolved = keys.resolve(OPENAI).api_key
    assert resolved is not None and resolved.get_secret_value() == "sk-from-the-environment-000000"


def test_a_provider_a_user_owns_gets_neither_the_systems_key_nor_the_environments(ring: Ring) -> None:
    keys = ring(OPENAI_API_KEY="sk-from-the-environment-000000")
    keys.set_system_key(OPENAI, CANARY, ACTOR)
    with pytest.raises(KeyRequired):
        keys.resolve(MINE, user_id="u1")
    with pytest.raises(InvalidValue, match="belongs to one person"):
        keys.set_system_key(MINE, CANARY, ACTOR)
    assert keys.status(MINE).source == "missing"


def test_the_models_own_key_comes_before_the_users_and_the_users_before_the_systems(ring: Ring) -> None:
    keys, model = ring(), Ref(id=7)
    for holder, text in ((Holder(), "system"), (Holder("user", user_id="u1"), "user-u1"), (Holder("model", model_id=7), "model-7")):
        keys.set_key(OPENAI, f"sk-{text}", ACTOR, holder=holder)

    def resolved(**who: Any) -> tuple[str, str | None]:
        found = keys.resolve(OPENAI, **who)
        return (found.api_key.get_secret_value() if found.api_key else "", found.scope)

    assert resolved(model=model, user_id="u1") == ("sk-model-7", "model")
    assert resolved(user_id="u1") == ("sk-user-u1", "user")
    assert resolved(user_id="u2") == ("sk-system", "system")
    keys.remove_key(OPENAI, ACTOR, holder=Holder("user", user_id="u1"))
    assert resolved(user_id="u1") == ("sk-system", "system")


def test_a_provider_that_needs_no_key_works_without_and_may_have_one(ring: Ring) -> None:
    keys = ring()
    assert keys.status(OLLAMA) == KeyStatus("none needed")
    assert keys.resolve(OLLAMA).api_key is None
    keys.set_system_key(OLLAMA, CANARY, ACTOR)
    assert keys.status(OLLAMA).source == "stored"


def test_a_changed_base_url_asks_for_the_key_again_and_the_old_one_works_again_there(ring: Ring) -> None:
    keys = ring()
    keys.set_system_key(OPENAI, CANARY, ACTOR)
    assert keys.status(OPENAI.at("https://api.openai.com:443/another/path")).source == "stored"
    elsewhere = OPENAI.at("https://api.openai.com.evil.example/v1")
    status = keys.status(elsewhere)
    assert status.source == "unreadable"
    assert status.problem is not None and "now points to https://api.openai.com.evil.example:443. Paste the key again" in status.problem
    for target in (elsewhere, OPENAI.at("http://api.openai.com/v1"), OPENAI.at("https://api.openai.com:8443/v1")):
        with pytest.raises(WrongEncryptionKey, match="Paste the key again"):
            keys.resolve(target)
    assert keys.resolve(OPENAI).api_key is not None


def test_a_stored_origin_edited_in_the_database_does_not_free_the_key(ring: Ring, engine: Engine) -> None:
    keys = ring()
    keys.set_system_key(OPENAI, CANARY, ACTOR)
    with engine.begin() as connection:
        connection.execute(sa.update(credentials).values(origin="https://evil.example:443"))
    with pytest.raises(WrongEncryptionKey, match="changed outside Modeldeck"):
        keys.resolve(OPENAI.at("https://evil.example/v1"))


def test_ciphertexts_swapped_between_rows_are_refused(ring: Ring, engine: Engine) -> None:
    keys, second = ring(), Ref(9, "second", "openai", "Second")
    keys.set_system_key(OPENAI, CANARY, ACTOR)
    keys.set_system_key(second, "sk-other-key-000000000000", ACTOR)
    with engine.begin() as connection:
        tokens = {row.id: row.ciphertext for row in connection.execute(sa.select(credentials.c.id, credentials.c.ciphertext))}
        for row, other in ((1, 2), (2, 1)):
            connection.execute(sa.update(credentials).where(credentials.c.id == row).values(ciphertext=tokens[other]))
    for provider in (OPENAI, second):
        with pytest.raises(WrongEncryptionKey):
            keys.resolve(provider)


def test_a_base_url_from_the_settings_counts_as_the_providers(ring: Ring) -> None:
    with pytest.raises(InvalidValue, match="Give Azure OpenAI a base URL first"):
        ring().set_system_key(AZURE, CANARY, ACTOR)
    keys = ring(AZURE_OPENAI_ENDPOINT="https://one.openai.azure.com")
    assert keys.set_system_key(AZURE, CANARY, ACTOR).source == "stored"
    assert ring(AZURE_OPENAI_ENDPOINT="https://two.openai.azure.com").status(AZURE).source == "unreadable"


@pytest.mark.parametrize("key", ["", "  \n", "two words", "line\nbreak", "schlüssel", "sk-\x00", "x" * 5_000])
def test_what_cannot_be_a_key_is_refused_before_anything_is_stored(ring: Ring, engine: Engine, key: str) -> None:
    with pytest.raises(InvalidValue):
        ring().set_system_key(OPENAI, key, ACTOR)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(encryption_keys)) == 0


def test_the_demo_wants_no_key(ring: Ring) -> None:
    with pytest.raises(InvalidValue, match="needs no key"):
        ring().set_system_key(Ref(5, "demo", "demo", "Demo"), CANARY, ACTOR)


@pytest.mark.parametrize("wrong", ["another passphrase", "base64:not base64", "base64:YWJj"])
def test_a_wrong_encryption_key_is_said_and_nothing_crashes(ring: Ring, wrong: str) -> None:
    ring(ENCRYPTION_KEY="the first passphrase").set_system_key(OPENAI, CANARY, ACTOR)
    keys = ring(ENCRYPTION_KEY=wrong)
    status = keys.statuses([OPENAI, OLLAMA])
    assert status[1].source == "unreadable" and status[2].source == "none needed"
    assert status[1].problem and "ENCRYPTION_KEY" in status[1].problem
    with pytest.raises(WrongEncryptionKey, match=r"^OpenAI: "):
        keys.resolve(OPENAI)


def test_a_lost_key_file_is_said_and_pasting_again_mends_it(ring: Ring, tmp_path: Path) -> None:
    ring().set_system_key(OPENAI, CANARY, ACTOR)
    (tmp_path / "encryption.key").unlink()
    keys = ring()
    assert keys.status(OPENAI).source == "unreadable"
    assert not (tmp_path / "encryption.key").exists()  # looking must not make a new one
    assert keys.set_system_key(OPENAI, CANARY, ACTOR).source == "stored"
    assert keys.resolve(OPENAI).api_key is not None


def test_the_status_list_takes_one_query_and_opens_nothing(ring: Ring, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ring()
    providers = [Ref(i, f"p{i}", "openai", f"P{i}") for i in range(1, 21)]
    for provider in providers[:5]:
        keys.set_system_key(provider, CANARY, ACTOR)
    statements = []
    sa.event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    monkeypatch.setattr("lib.crypto.decrypt", None)
    statuses = keys.statuses(providers)
    assert [s.source for s in statuses.values()].count("stored") == 5
    assert len([s for s in statements if s.startswith("SELECT")]) == 1


def test_the_revision_moves_with_every_change_of_a_key(ring: Ring) -> None:
    keys, seen = ring(), []
    seen.append(keys.revision())
    keys.set_system_key(OPENAI, CANARY, ACTOR)
    seen.append(keys.revision())
    keys.mark_tested(OPENAI)
    assert keys.status(OPENAI).tested_at == NOW
    seen.append(keys.revision())
    keys.set_system_key(OPENAI, CANARY, ACTOR)
    seen.append(keys.revision())
    keys.rotate(ACTOR)
    seen.append(keys.revision())
    keys.remove_system_key(OPENAI, ACTOR)
    seen.append(keys.revision())
    assert len(set(seen)) == len(seen)
    assert ring().revision() == seen[-1]


def test_every_change_is_audited_with_previews_only(ring: Ring, engine: Engine) -> None:
    keys = ring()
    keys.set_system_key(OPENAI, CANARY, ACTOR)
    keys.set_system_key(OPENAI, "sk-second-key-00000000000", ACTOR)
    keys.remove_system_key(OPENAI, ACTOR)
    keys.remove_system_key(OPENAI, ACTOR)  # nothing to remove: nothing to tell
    with engine.connect() as connection:
        entries = connection.execute(sa.select(audit_log.c.action, audit_log.c.before, audit_log.c.after, audit_log.c.actor)).all()
    assert [e.action for e in entries] == ["encryption_keys.insert", "credentials.set", "credentials.set", "credentials.remove"]
    assert [(e.before or {}).get("preview") for e in entries[1:]] == [None, "sk-cana...81c4", "sk-seco...0000"]
    assert {e.actor for e in entries} == {"Ada"}
    assert CANARY not in repr(entries)


def test_the_key_is_nowhere_in_the_database_files_or_the_logs(
    ring: Ring, engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    keys = ring()
    keys.set_system_key(OPENAI, CANARY, ACTOR)
    keys.resolve(OPENAI)
    keys.rotate(ACTOR)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
    files = list(tmp_path.glob("modeldeck.db*"))
    assert {f.name for f in files} >= {"modeldeck.db", "modeldeck.db-wal"}
    written = b"".join(f.read_bytes() for f in files)
    assert b"sk-cana...81c4" in written  # the preview is, so the search looks in the right place
    assert CANARY.encode() not in written
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com/v1", "https://api.example.com:443"),
        ("HTTPS://API.Example.COM:443", "https://api.example.com:443"),
        ("http://[::1]:8000/", "http://::1:8000"),
        ("http://user:pw@host/", "http://host:80"),
        ("https://bücher.example", "https://xn--bcher-kva.example:443"),
        (None, ""),
        ("", ""),
        ("/v1", ""),
        ("ftp://host", ""),
        ("http://host:99999", ""),
    ],
)
def test_an_origin_is_scheme_host_and_port_as_the_client_reads_them(url: str | None, expected: str) -> None:
    assert origin(url) == expected
