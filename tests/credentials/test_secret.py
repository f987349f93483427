"""The generated ENCRYPTION_KEY: one per data folder, private, and safe against a crash or a race."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib import crypto
from lib.credentials import Holder, KeyRing
from lib.credentials.secret import EncryptionSecret
from lib.errors import SettingsError, WrongEncryptionKey
from lib.store.schema import credentials, encryption_keys
from tests.credentials.conftest import ACTOR, CANARY, Ref, settings_for

Ring = Callable[..., KeyRing]
PROVIDERS = [Ref(i, f"p{i}", "openai", f"P{i}") for i in range(1, 5)]


def test_the_key_file_is_made_once_private_and_whole(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    secret = EncryptionSecret(settings_for(folder))
    assert secret.readable() == ()
    key = secret.writable()
    assert EncryptionSecret(settings_for(folder)).writable() == key
    assert (folder / "encryption.key").stat().st_mode & 0o777 == 0o600
    assert [f.name for f in folder.iterdir()] == ["encryption.key"]
    assert key not in repr(secret)


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from lib.credentials.secret import _create; from lib.crypto import generate_encryption_key;"
        "sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.readline();"
        "print(_create(Path(sys.argv[1]) / 'encryption.key', generate_encryption_key()))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert answers == {(tmp_path / "encryption.key").read_text().strip()}


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="Make the folder writable, or set ENCRYPTION_KEY"):
        EncryptionSecret(settings_for(tmp_path / "file")).writable()


def test_an_unreadable_key_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "encryption.key").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SettingsError, match="Check its permissions, or set ENCRYPTION_KEY"):
        EncryptionSecret(settings_for(tmp_path)).readable()


def test_a_rotated_file_key_serves_running_and_new_processes(ring: Ring, tmp_path: Path, engine: Engine) -> None:
    running = ring()
    for provider in PROVIDERS:
        running.set_system_key(provider, CANARY, ACTOR)
    before = (tmp_path / "encryption.key").read_text()
    seen: list[tuple[int, int]] = []
    result = ring().rotate(ACTOR, progress=lambda done, of: seen.append((done, of)))
    assert (result.rewritten, result.unreadable) == (4, ())
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (tmp_path / "encryption.key").read_text() != before
    assert [f.name for f in tmp_path.glob("encryption*")] == ["encryption.key"]
    for keys in (running, ring()):
        assert {keys.resolve(p).api_key for p in PROVIDERS} == {SecretStr(CANARY)}
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(encryption_keys.c.retired_at.is_not(None))) == 1


class Killed(BaseException):
    """Stands for kill -9 in the middle of the work: nothing catches it."""


@pytest.mark.parametrize("after", [1, 3, 4])
def test_a_rotation_killed_midway_loses_nothing_and_is_finished_by_the_next(ring: Ring, tmp_path: Path, engine: Engine, after: int) -> None:
    server = ring()
    for provider in PROVIDERS:
        server.set_system_key(provider, CANARY, ACTOR)

    def die(done: int, _of: int) -> None:
        if done == after:
            raise Killed

    with pytest.raises(Killed):
        ring().rotate(ACTOR, progress=die)
    assert {server.resolve(p).api_key for p in PROVIDERS} == {SecretStr(CANARY)}  # the running server reads both halves
    server.set_system_key(PROVIDERS[0], CANARY, ACTOR)
    assert ring().rotate(ACTOR).rewritten == 4 - after
    assert {ring().resolve(p).api_key for p in PROVIDERS} == {SecretStr(CANARY)}
    with engine.connect() as connection:
        assert len(set(connection.scalars(sa.select(credentials.c.key_id)))) == 1


def test_an_operators_key_is_rotated_to_the_one_given_and_the_old_one_is_refused_after(ring: Ring) -> None:
    old, new = crypto.generate_encryption_key(), crypto.generate_encryption_key()
    ring(ENCRYPTION_KEY=old).set_system_key(PROVIDERS[0], CANARY, ACTOR)
    with pytest.raises(SettingsError, match="the new key has to be given"):
        ring(ENCRYPTION_KEY=old).rotate(ACTOR)
    assert ring(ENCRYPTION_KEY=old).rotate(ACTOR, new).rewritten == 1
    assert ring(ENCRYPTION_KEY=new).resolve(PROVIDERS[0]).api_key == SecretStr(CANARY)
    stale = ring(ENCRYPTION_KEY=old)
    assert stale.status(PROVIDERS[0]).source == "unreadable"
    with pytest.raises(WrongEncryptionKey, match="replaced by a rotation on 04 May 2026"):
        stale.set_system_key(PROVIDERS[1], CANARY, ACTOR)


def test_keys_nobody_can_open_stay_as_they_are_and_are_named(ring: Ring, engine: Engine) -> None:
    ring(ENCRYPTION_KEY="lost for ever").set_system_key(PROVIDERS[0], CANARY, ACTOR)
    keys = ring(ENCRYPTION_KEY="present")
    keys.set_system_key(PROVIDERS[1], CANARY, ACTOR)
    result = keys.rotate(ACTOR, "future")
    assert (result.rewritten, result.unreadable) == (1, ("system:1",))
    assert ring(ENCRYPTION_KEY="lost for ever").resolve(PROVIDERS[0]).api_key == SecretStr(CANARY)


def test_a_second_rotation_to_another_key_waits_for_the_first(ring: Ring, tmp_path: Path) -> None:
    ring().set_system_key(PROVIDERS[0], CANARY, ACTOR)
    (tmp_path / "encryption.key.next").write_text("begun\n")
    with pytest.raises(SettingsError, match="finish it first"):
        ring().rotate(ACTOR, "another")
    assert ring().rotate(ACTOR).rewritten == 1
    assert (tmp_path / "encryption.key").read_text() == "begun\n"


HELD = (
    (PROVIDERS[0], Holder()),
    (PROVIDERS[0], Holder("user", user_id="u1")),
    (PROVIDERS[0], Holder("user", user_id="u2")),
    (PROVIDERS[0], Holder("model", None, 7)),
    (replace(PROVIDERS[1], owner_id="u1"), Holder("user", user_id="u1")),
    (replace(PROVIDERS[1], owner_id="u1"), Holder("model", "u1", 8)),
)


@pytest.mark.parametrize("after", range(1, len(HELD) + 1))
def test_a_rotation_killed_anywhere_keeps_everyones_peoples_and_models_keys_apart(ring: Ring, engine: Engine, after: int) -> None:
    def held(keys: KeyRing) -> list[str]:
        found = []
        for provider, holder in HELD:
            model = Ref(holder.model_id, owner_id=holder.user_id) if holder.model_id else None
            found.append(keys.resolve(provider, model, holder.user_id if model is None else None).api_key)
        return [key.get_secret_value() if key else "" for key in found]

    def die(done: int, _of: int) -> None:
        if done == after:
            raise Killed

    server, expected = ring(), [f"{CANARY}-{number}" for number in range(len(HELD))]
    for (provider, holder), key in zip(HELD, expected, strict=True):
        server.set_key(provider, key, ACTOR, holder=holder)
    with pytest.raises(Killed):
        ring().rotate(ACTOR, progress=die)
    assert held(server) == expected == held(ring())
    assert ring().rotate(ACTOR).rewritten == len(HELD) - after
    assert held(ring()) == expected
    with engine.connect() as connection:
        assert len(set(connection.scalars(sa.select(credentials.c.key_id)))) == 1


def test_under_another_encryption_key_a_persons_key_asks_to_be_pasted_again_and_nobody_elses_takes_its_place(ring: Ring) -> None:
    mine = Holder("user", user_id="u1")
    before = ring(ENCRYPTION_KEY="lost for ever")
    before.set_key(PROVIDERS[0], CANARY, ACTOR, holder=mine)
    keys = ring(ENCRYPTION_KEY="present", OPENAI_API_KEY="sk-environment-0123456789abcdef")
    keys.set_system_key(PROVIDERS[0], f"{CANARY}-everyones", ACTOR)
    status = keys.overview([PROVIDERS[0]], user_id="u1").personal[PROVIDERS[0].id]
    assert (status.source, status.preview) == ("unreadable", "sk-cana...81c4")
    assert status.problem is not None and "paste the provider's key again" in status.problem
    with pytest.raises(WrongEncryptionKey):
        keys.resolve(PROVIDERS[0], user_id="u1")
    assert keys.resolve(PROVIDERS[0], user_id="u2").scope == "system"
    keys.set_key(PROVIDERS[0], CANARY, ACTOR, holder=mine)
    assert keys.resolve(PROVIDERS[0], user_id="u1").api_key == SecretStr(CANARY)
