"""The stack behaves as a Supabase project does, or every test that stands on it would prove nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.stack import parts
from tests.stack.stack import ROOT, Stack, running_stack


def test_a_request_without_a_key_or_with_a_wrong_one_is_refused(stack: Stack) -> None:
    for headers, told in (({}, "No API key found in request"), ({"apikey": "sb_publishable_wrong"}, "Invalid API key")):
        for path in ("rest/v1/", "auth/v1/user"):
            answer = httpx.get(f"{stack.url}/{path}", headers=headers, trust_env=False)
            assert (answer.status_code, answer.json()["message"]) == (401, told)


def test_people_sign_up_and_in_and_out(stack: Stack) -> None:
    person = stack.sign_up("stack-ada@example.com")
    again = stack.sign_in(person.email)
    headers = {"apikey": stack.publishable_key, "Authorization": f"Bearer {again.token}"}
    user = httpx.get(f"{stack.url}/auth/v1/user", headers=headers, trust_env=False).json()
    assert user["id"] == person.id == again.id and user["created_at"].endswith("Z")
    assert httpx.post(f"{stack.url}/auth/v1/logout?scope=global", headers=headers, trust_env=False).status_code == 204
    refresh = {"refresh_token": again.refresh_token}
    gone = httpx.post(f"{stack.url}/auth/v1/token?grant_type=refresh_token", json=refresh, headers=headers, trust_env=False)
    assert gone.status_code == 400


def test_only_the_secret_key_reaches_the_admin_half_of_auth(stack: Stack) -> None:
    person = stack.sign_up("stack-bob@example.com")
    users = f"{stack.url}/auth/v1/admin/users"
    secret = {"apikey": stack.secret_key}
    for refused in ({"apikey": stack.publishable_key}, {"apikey": stack.publishable_key, "Authorization": f"Bearer {person.token}"}):
        assert httpx.get(users, headers=refused, trust_env=False).status_code == 403
    made = httpx.post(users, headers=secret, json={"email": "stack-eve@example.com", "password": "long-enough-1"}, trust_env=False).json()
    assert stack.sign_in("stack-eve@example.com", "long-enough-1").id == made["id"]
    assert httpx.delete(f"{users}/{made['id']}", headers=secret, trust_env=False).status_code == 200
    assert httpx.get(f"{users}/{made['id']}", headers=secret, trust_env=False).status_code == 404


def test_a_developer_gets_settings_and_accounts_until_ctrl_c() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.stack", "--demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as a script starts what is behind &
    ) as demo:
        assert demo.stdout is not None
        settings: dict[str, str] = {}
        for line in demo.stdout:
            name, found, value = line.strip().partition("=")
            settings |= {name: value} if found else {}
            if line.startswith("Accounts"):
                break
        stack = Stack(
            settings["SUPABASE_URL"], settings["DATABASE_URL"], settings["SUPABASE_PUBLISHABLE_KEY"], settings["SUPABASE_SECRET_KEY"], ""
        )
        with stack.rest(stack.sign_in("admin@example.com").token) as client:
            assert sorted(row["role"] for row in client.get("/profiles").json()) == ["admin", "analyst", "member"]
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.stdout.read().strip() == "Stopped."
    assert demo.returncode == 0
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(stack.database_url)


def test_nothing_stays_behind_when_the_starter_is_killed() -> None:
    program = (
        "import os, signal\nfrom tests.stack.stack import running_stack\n"
        "with running_stack() as stack:\n    print(stack.database_url, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # Postgres runs as another user
        killed = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=os.environ | {"TMPDIR": folder}, capture_output=True, text=True, timeout=60
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        deadline = time.monotonic() + 60
        while (left := list(Path(folder).iterdir())) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == []
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(killed.stdout.strip())


def test_without_its_tools_a_test_is_left_out_and_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parts, "TOOLS", tmp_path)
    for ci, outcome in (("", pytest.skip.Exception), ("true", pytest.fail.Exception)):
        monkeypatch.setenv("CI", ci)
        with pytest.raises(outcome, match="npm ci in tests/stack"), running_stack():
            pass
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="Node is not installed"), running_stack():
        pass


def test_a_stack_that_cannot_start_says_why() -> None:
    with pytest.raises(AssertionError, match="unexpected keyword argument 'colour'"), running_stack(colour="red"):
        pass
