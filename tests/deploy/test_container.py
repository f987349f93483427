"""The container's files say what works: only what is copied is needed, and nobody's rights and a read-only tree are enough."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from lib.settings import SETTINGS
from tests.deploy.unprivileged import PATH, give, open_folder, prefix, running
from tests.serving import ROOT, free_port

DEPLOY = ROOT / "deploy"
NAMES = {setting.name for setting in SETTINGS}
PORT = "8501"


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (DEPLOY / "Containerfile").read_text(encoding="utf-8"))
    lines = (line.strip() for line in text.splitlines())
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in lines if line and not line.startswith("#")]


def _last(name: str) -> str:
    return [rest for instruction, rest in _instructions() if instruction == name][-1]


def _start() -> list[str]:
    command: list[str] = json.loads(_last("CMD"))
    return command


def _copied() -> list[tuple[str, str]]:
    return [(source, target) for name, rest in _instructions() if name == "COPY" for source, target in [rest.split()]]


@contextmanager
def _image(folder: Path) -> Iterator[Path]:
    """Lay out what the Containerfile copies, where nobody may write."""
    app = folder / "app"
    for source, target in _copied():
        place = app / target / Path(source).name if target.endswith("/") else app / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / source, place)
    paths = [app, *app.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield app
    for path in paths:  # as nobody, a folder that may not be written could not be removed
        path.chmod(0o755)


def test_the_image_serves_as_nobody_on_every_address_and_writes_only_its_data() -> None:
    port = str(free_port())
    environ = {"PATH": PATH, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    with open_folder() as folder, _image(folder) as app:
        data = folder / "data"
        data.mkdir(mode=0o700)
        give(data)
        environ["MODELDECK_DATA_DIR"] = str(data)
        before = sorted(app.rglob("*"))
        check = [word.replace(PORT, port) for word in json.loads(_last("HEALTHCHECK").split("CMD", 1)[1])]
        with running([word.replace(PORT, port) for word in _start()], environ, app, "URL:"):
            answer = httpx.get(f"http://127.0.0.9:{port}/api/health", timeout=60)  # an address that only 0.0.0.0 serves
            assert (answer.status_code, answer.json()["status"]) == (200, "ok")
            assert httpx.get(f"http://localhost:{port}/", timeout=60).status_code == 200
            remote = httpx.get(f"http://localhost:{port}/", headers={"X-Forwarded-For": "203.0.113.9"}, timeout=60)
            assert remote.json()["error"]["type"] == "not_loopback", "without sign-in a proxy must not open it to others"
            assert subprocess.run(check, env=environ).returncode == 0
            said = subprocess.run([*prefix(), "python", "-m", "lib", "db", "status"], env=environ, cwd=app, capture_output=True, text=True)
            assert said.returncode == 0 and "Schema: ready" in said.stdout, said.stderr
            read = [*prefix(), "python", "-c", "from lib.services.setup import setup_sql; assert 'CREATE TABLE' in setup_sql()"]
            assert subprocess.run(read, env=environ, cwd=app).returncode == 0, "the Setup page has no SQL to show"
        assert subprocess.run(check, env=environ, capture_output=True).returncode != 0
        assert sorted(app.rglob("*")) == before
        assert (data / "modeldeck.db").stat().st_mode & 0o777 == 0o600


def test_the_image_is_built_from_locked_packages_and_not_run_by_root() -> None:
    steps = _instructions()
    assert steps[0] == ("FROM", "python:3.11-slim")
    assert any("pip install" in rest and "--require-hashes -r requirements.lock" in rest for _, rest in steps)
    users = [rest for name, rest in steps if name == "USER"]
    assert users == ["modeldeck"]
    assert {name for name, _ in steps[steps.index(("USER", "modeldeck")) :]}.isdisjoint({"RUN", "COPY"})


def test_everything_the_image_copies_and_no_secret_reaches_its_build() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*", "what is not named must stay out"
    sent = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert {Path(source).parts[0] for source, _ in _copied()} == {Path(rule).parts[0] for rule in sent}
    assert "supabase" not in sent, "of that folder one file is needed"
    assert ".streamlit/secrets.toml" in rules and ".env" not in sent


def test_the_service_starts_as_the_container_does_but_on_this_machine_alone() -> None:
    """The proxy is on the same machine there, so no one may reach the port beside it."""
    unit = (DEPLOY / "modeldeck@.service").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=(.+)$", unit, flags=re.MULTILINE)
    address = _start().index("--server.address")
    expected = [*_start()[:address], *_start()[address + 2 :]]
    words = shlex.split(command)
    assert [Path(words[0]).name, *words[1:]] == [word.replace(PORT, "%i") for word in expected]
    assert "User=modeldeck" in unit and "ProtectSystem=strict" in unit
    (data,) = re.findall(r"^Environment=MODELDECK_DATA_DIR=/var/lib/(\S+)$", unit, flags=re.MULTILINE)
    assert f"StateDirectory={data}\n" in unit, "the only place it may write must be its data"


def test_the_compose_example_sets_only_what_there_is() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    deck = text.split("  deck:\n", 1)[1].split("\n\n", 1)[0]
    given = dict(re.findall(r"^ {6}([A-Z_]+): (.+)$", deck, flags=re.MULTILINE))
    assert set(given) <= NAMES and {"DATABASE_URL", "ENCRYPTION_KEY", "MODELDECK_ALLOWED_HOSTS"} <= set(given)
    assert f"subnet: {given['MODELDECK_TRUSTED_PROXIES']}" in text, "the proxy's own network must be the trusted one"
    told = set(re.findall(r"^# +([A-Z_]+)=", text, flags=re.MULTILINE))
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) == told, "what it needs and what it says it needs differ"
    caddyfile = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    proxy = text.split("  proxy:\n", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"\{\$([A-Z_]+)", caddyfile)) == set(re.findall(r"^ {6}([A-Z_]+):", proxy, flags=re.MULTILINE))
    for named in re.findall(r"dockerfile: (\S+)", text):
        assert (ROOT / named).is_file()
    assert (DEPLOY / re.findall(r"\./(\w+):/etc/caddy", text)[0]).is_file()
    assert "ports" not in deck, "only the proxy may be reached from outside"
