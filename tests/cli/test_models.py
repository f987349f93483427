"""``models`` shows the registry as people check it and changes it as the pages do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

pytestmark = pytest.mark.usefixtures("seeded")
LINE = re.compile(r"^   (🟢|🟡|⚪) (.+) \(ID: (.+), Key: ([^ )]+)\)( \[DEFAULT\])?(: .+)?$")


def keys_of(document: list[dict[str, Any]]) -> set[str]:
    return {model["key"] for model in document}


def test_the_list_counts_and_shows_every_model_with_circle_name_id_and_key(run: Run) -> None:
    ran = run("models", "list")
    assert ran.code == 0
    head, *rest = ran.out.splitlines()
    count = re.fullmatch(r"Found (\d+) LLM models in database:", head)
    lines = [match for line in rest if (match := LINE.match(line))]
    assert count and len(lines) == int(count[1])
    document = run("models", "list", "--json").document
    assert {match[4] for match in lines} == keys_of(document)
    circles = {match[4]: match[1] for match in lines}
    for model in document:
        assert circles[model["key"]] == ("🟢" if model["usable"] else "🟡" if model["active"] else "⚪")


def test_the_default_is_marked_and_moves(run: Run) -> None:
    assert run("models", "default", "demo-reasoner").code == 0
    assert "Key: demo-reasoner) [DEFAULT]" in run("models", "list").out
    run("models", "default", "demo-chat")
    out = run("models", "list").out
    assert out.count("[DEFAULT]") == 1
    assert "Key: demo-chat) [DEFAULT]" in out
    assert run("models", "default", "--json").document["key"] == "demo-chat"


def test_a_model_that_is_on_but_lacks_a_key_says_so(run: Run) -> None:
    key = next(m["key"] for m in run("models", "list", "--provider", "anthropic", "--json").document)
    run("models", "activate", key)
    line = next(line for line in run("models", "list").out.splitlines() if f"Key: {key})" in line)
    assert "🟡" in line
    assert "Anthropic key" in line
    line = next(line for line in run("models", "list", ANTHROPIC_API_KEY="sk-ant-x").out.splitlines() if f"Key: {key})" in line)
    assert "🟢" in line


def test_filters_narrow_the_list(run: Run) -> None:
    everything = keys_of(run("models", "list", "--json").document)
    usable = keys_of(run("models", "list", "--usable", "--json").document)
    assert "demo-chat" in usable < everything
    assert keys_of(run("models", "list", "--search", "reasoner", "--provider", "demo", "--json").document) == {"demo-reasoner"}
    assert usable <= keys_of(run("models", "list", "--active", "--json").document)
    assert run("models", "list", "--provider", "nobody").code == 1


def test_switching_is_all_or_none(run: Run) -> None:
    assert run("models", "deactivate", "demo-chat", "demo-reasoner", "--json").code == 0
    assert {"demo-chat", "demo-reasoner"}.isdisjoint(keys_of(run("models", "list", "--usable", "--json").document))
    ran = run("models", "activate", "demo-chat", "no-such-model")
    assert (ran.code, ran.out) == (1, "")
    assert "no-such-model" in ran.err
    assert "demo-chat" not in keys_of(run("models", "list", "--usable", "--json").document)
    assert run("models", "activate", "demo-chat").out.startswith("🟢")


def test_a_model_added_by_its_upstream_id_is_listed_and_shown(run: Run) -> None:
    words = (
        "models",
        "add",
        "openai",
        "gpt-house-special",
        "--name",
        "House special",
        "--context-window",
        "1000",
        "--capability",
        "streaming",
    )
    added = run(*words, "--activate", "--json")
    assert added.code == 0
    assert (added.document["name"], added.document["upstream_id"], added.document["active"]) == ("House special", "gpt-house-special", True)
    assert (added.document["context_window"], added.document["capabilities"]) == (1000, ["streaming"])
    shown = run("models", "show", "openai/gpt-house-special")
    assert shown.code == 0
    assert "House special (ID: gpt-house-special" in shown.out
    taken = run(*words, "--key", "gpt-house-special")
    assert (taken.code, taken.out) == (1, "")
    assert run("models", "add", "nobody", "x").code == 1


@pytest.mark.parametrize("ref", ["demo-chat", "Demo chat", "demo/demo-chat"])
def test_show_takes_any_name_and_its_prices_are_exact_strings(run: Run, ref: str) -> None:
    document = run("models", "show", ref, "--json").document
    assert document["key"] == "demo-chat"
    assert (document["price"]["input"], document["price"]["output"]) == ("0.5", "1.5")


def test_a_test_call_says_how_it_went(run: Run) -> None:
    ran = run("models", "test", "demo-chat")
    assert ran.code == 0
    assert "It works" in ran.out
    assert run("models", "test", "demo-chat", "--json").document["attempts"][-1]["status"] == "ok"
    failed = run("models", "test", "demo-truncated")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.count("\n") == 1


def test_an_export_imported_elsewhere_is_the_same_registry(run: Run, tmp_path: Path) -> None:
    run("models", "add", "openai", "gpt-house-special", "--name", "House special")
    file = tmp_path / "export.json"
    assert run("models", "export", str(file)).code == 0
    exported = json.loads(file.read_text(encoding="utf-8"))
    assert run("models", "export").document["models"] == exported["models"]
    other = {"MODELDECK_DATA_DIR": str(tmp_path / "other")}
    assert run("models", "import", str(file), **other).code == 0
    assert run("models", "show", "gpt-house-special", "--json", **other).document["name"] == "House special"
    assert run("models", "import", "-", input=file.read_text(encoding="utf-8"), **other).code == 0


def test_a_table_is_written_by_its_name_and_read_by_its_content_and_a_dry_run_says_what_would_change(run: Run, tmp_path: Path) -> None:
    file, plain = tmp_path / "models.csv", tmp_path / "table"
    assert run("models", "export", str(file), "--json").document["format"] == "csv"
    text = file.read_text(encoding="utf-8-sig")
    assert run("models", "export", "--format", "csv").out.lstrip("\ufeff").replace("\r\n", "\n") == text.replace("\r\n", "\n")
    plain.write_text(text.replace(",GPT-4.1,", ",Renamed,") + "mine,,ollama\r\n", encoding="utf-8")
    dry = run("models", "import", str(plain), "--dry-run")
    assert dry.code == 0, dry.err
    assert dry.out.splitlines()[1:] == ["+ mine", "~ gpt-4.1, display name: GPT-4.1 → Renamed"]
    assert run("models", "show", "gpt-4.1", "--json").document["name"] == "GPT-4.1"
    done = run("models", "import", str(plain), "--json").document
    assert (done["added"], done["updated"]) == (["mine"], ["gpt-4.1"])
    assert done["edits"] == [{"key": "gpt-4.1", "field": "display_name", "before": "GPT-4.1", "after": "Renamed"}]
    assert run("models", "show", "gpt-4.1", "--json").document["name"] == "Renamed"


def test_a_table_with_mistakes_is_refused_with_each_of_them(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "broken.csv"
    file.write_text('model_key,provider,price_input,hidden\ngpt-4.1,openai,"2,5",?\n')
    ran = run("models", "import", str(file))
    assert ran.code == 1
    assert [line.split(":")[0].removeprefix("Error ") for line in ran.err.splitlines()] == [
        "Row 2, column price_input",
        "Row 2, column hidden",
    ]


def test_an_export_carries_no_key(run: Run) -> None:
    key = "sk-canary-0123456789abcdefghij"
    assert run("keys", "set", "openai", "--no-test", input=key).code == 0
    assert "canary" not in run("models", "export", OPENAI_API_KEY="sk-canary-in-environment").out


@pytest.mark.parametrize("text", ["", "nonsense", "[1", "[]", '"text"', '{"models": 3}'])
def test_a_file_that_is_no_export_is_refused_in_a_sentence(run: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    ran = run("models", "import", str(file))
    assert ran.code in (1, 2)
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert "Something went wrong" not in ran.err


def test_seed_restores_nothing_when_nothing_is_missing(run: Run) -> None:
    run("models", "deactivate", "demo-chat")
    document = run("models", "seed", "--json").document
    assert document["added"] == []
    assert "demo-chat" not in keys_of(run("models", "list", "--usable", "--json").document)


def test_fallbacks_are_shown_set_in_order_and_cleared(run: Run) -> None:
    assert run("models", "fallbacks", "demo-chat", "--json").document == {"key": "demo-chat", "fallbacks": []}
    ran = run("models", "fallbacks", "demo-chat", "GPT-4o mini", "demo-reasoner", "gpt-4o-mini")
    assert ran.code == 0
    assert [LINE.match(line)[4] for line in ran.out.splitlines()[1:]] == ["gpt-4o-mini", "demo-reasoner"]  # type: ignore[index]
    assert run("models", "show", "demo-chat", "--json").document["fallbacks"] == ["gpt-4o-mini", "demo-reasoner"]
    assert run("models", "fallbacks", "demo-chat").out == ran.out
    assert run("models", "fallbacks", "demo-chat", "no-such-model").code == 1
    assert run("models", "fallbacks", "demo-chat", "demo-chat").code == 2
    assert run("models", "fallbacks", "demo-chat", "demo-reasoner", "--clear").code == 2
    assert run("models", "show", "demo-chat", "--json").document["fallbacks"] == ["gpt-4o-mini", "demo-reasoner"]
    assert run("models", "fallbacks", "demo-chat", "--clear").out.strip() == "Demo chat has no fallback."


def test_an_edit_changes_what_it_names_and_nothing_else(run: Run) -> None:
    before = run("models", "show", "demo-chat", "--json").document
    after = run("models", "edit", "demo-chat", "--name", "House", "--hidden", "--max-output-tokens", "99", "--json").document
    assert after == before | {"name": "House", "hidden": True, "max_output_tokens": 99}
    assert run("models", "edit", "demo-chat", "--shown", "--json").document["hidden"] is False
    assert run("models", "edit", "demo-chat").code == 2
    ran = run("models", "edit", "demo-chat", "--capability", "juggling")
    assert (ran.code, "juggling is not a capability" in ran.err) == (1, True)
