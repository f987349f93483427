"""The README documents every setting, command and route, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lib.api import ROUTES
from lib.cli import commands
from lib.providers import KINDS
from lib.settings import SETTINGS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def _first_cells(section: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", section, flags=re.MULTILINE)


def test_every_setting_is_documented_with_its_default_and_no_other() -> None:
    documented = _first_cells(_section("Configuration"))
    names = [s.name for s in SETTINGS]
    assert documented == names, "the configuration table and lib/settings.py differ"
    for setting in SETTINGS:
        row = next(line for line in README.splitlines() if line.startswith(f"| `{setting.name}`"))
        default = f"`{setting.default}`" if setting.default else "–"
        assert row.split("|")[2].strip() == default, f"{setting.name}: the README gives another default"
        if setting.alias:
            assert f"`{setting.alias}`" in row, f"{setting.name}: its other name {setting.alias} is not in the README"


def test_every_setting_of_a_provider_is_documented_and_no_other() -> None:
    assert set(_first_cells(_section("Provider settings"))) == {name for row in KINDS.values() for name in row.settings}


def test_every_command_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|(.*)\|$", _section("Command line"), flags=re.MULTILINE)
    documented = {re.split(r" (?=[\[A-Z<-])", usage)[0]: text for usage, text in rows}
    assert sorted(documented) == sorted(commands()), "the command table and lib/cli differ"
    for name, command in commands().items():
        options = {option for option in command.options if option != "--json"}
        assert set(re.findall(r"`(--[a-z-]+)`", documented[name])) == options, f"{name}: the README gives other options"


def test_every_route_is_documented_and_no_other() -> None:
    documented = _first_cells(_section("HTTP"))
    assert documented == [f"{route.method} {route.path}" for route in ROUTES], "the route table and lib/api differ"


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_file_the_readme_links_to_exists(target: str) -> None:
    assert (ROOT / target).is_file(), f"README links to {target}, which does not exist"


def test_every_path_of_the_map_and_of_contributing_exists() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:lib|tests|pages)/[\w./]*\w/?|app\.py)`", README + contributing))
    missing = sorted(path for path in paths if not (ROOT / path).exists())
    assert not missing, f"named in the documents but not in the tree: {missing}"


def test_the_environment_example_names_only_real_settings() -> None:
    named = set(re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert named <= {s.name for s in SETTINGS}
