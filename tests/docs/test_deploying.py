"""The page on deploying names only what there is; its commands for backups are followed in tests/deploy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lib.api import ROUTES
from lib.cli import commands
from lib.settings import SETTINGS
from lib.ui import server

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEPLOY = sorted(path.name for path in (ROOT / "deploy").iterdir())
OTHERS = {"BACKUPS", "SAFE", "DATA", "DECK_HOST", "POSTGRES_PASSWORD", "REVISION"}
"""Names in capitals that are the reader's own."""


def test_the_readme_leads_to_it() -> None:
    assert "(docs/deploying.md)" in README


def test_every_command_of_it_exists() -> None:
    named = {f"{group} {command}" for group, command in re.findall(r"python -m lib (\w+) ([\w-]+)", PAGE)}
    assert named and named <= set(commands())


def test_every_setting_of_it_exists_and_those_of_a_proxy_are_told() -> None:
    known = {name for setting in SETTINGS for name in (setting.name, setting.alias) if name}
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", PAGE)) - OTHERS
    assert named <= known
    assert {"MODELDECK_ALLOWED_HOSTS", "MODELDECK_TRUSTED_PROXIES", "ENCRYPTION_KEY", "DATABASE_URL"} <= named


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b((?:deploy|supabase|docs)/[\w@.]*\w)", PAGE)) - {"deploy/.env"}))
def test_every_file_of_it_exists(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("name", DEPLOY)
def test_every_file_to_deploy_with_is_told(name: str) -> None:
    assert name in PAGE


def test_its_routes_and_sections_elsewhere_exist() -> None:
    routes = {route.path for route in ROUTES}
    assert {path.rstrip("`") for path in re.findall(r"/api/[\w/-]+", PAGE)} <= routes
    for anchor in re.findall(r"README\.md#([\w-]+)", PAGE):
        titles = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", README, flags=re.MULTILINE)}
        assert anchor in titles


def test_the_files_to_deploy_with_name_no_secret_of_their_own() -> None:
    for name in DEPLOY:
        text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
        given = re.findall(r"^#? *\w*(?:PASSWORD|KEY)[=:] *(.+)", text, flags=re.MULTILINE)
        assert all(value.startswith(("${", "…")) for value in given), f"{name} gives a secret away: {given}"


def test_the_middleware_believes_no_proxy_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELDECK_TRUSTED_PROXIES", raising=False)
    assert len(server.middleware()) == 1
    monkeypatch.setenv("MODELDECK_TRUSTED_PROXIES", "10.0.0.0/24")
    assert len(server.middleware()) == 2
