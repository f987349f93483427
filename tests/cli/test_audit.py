"""``audit``: what was changed is listed, and taken back from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run


def test_changes_are_listed_in_words_taken_back_and_made_again(run: Run, seeded: Path) -> None:
    assert run("models", "activate", "gpt-4o").code == 0
    (change,) = run("audit", "list", "--limit", "1", "--json").document
    assert (change["what"], change["from"], change["can_be_undone"]) == ("switched GPT-4o on", "cli", True)
    assert "Local admin switched GPT-4o on" in run("audit", "list", "--since", "24h", "--model", "gpt-4o", "--subject", "models").out
    number = str(change["id"])
    dry = run("audit", "undo", number, "--dry-run", "--json")
    assert dry.document["changes"] == [{"name": "GPT-4o", "field": "On or off", "now": "On", "then": "Off"}]
    assert run("models", "show", "gpt-4o", "--json").document["active"]
    made = run("audit", "undo", number)
    assert made.out.startswith(f"Taken back: Local admin switched GPT-4o on. To have it again: audit undo {change['id'] + 1}")
    assert not run("models", "show", "gpt-4o", "--json").document["active"]
    refused = run("audit", "undo", number)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("GPT-4o: on or off was changed since by Local admin, ")
    assert run("audit", "undo", str(change["id"] + 1)).code == 0
    assert run("models", "show", "gpt-4o", "--json").document["active"]


def test_nothing_found_and_no_such_entry_are_said(run: Run, seeded: Path) -> None:
    assert run("audit", "list", "--who", "Nobody").out == "No change was found.\n"
    missing = run("audit", "undo", "999999")
    assert (missing.code, missing.err) == (1, "The audit log has no entry 999999.\n")
    assert run("audit", "list", "--since", "yesterday").code == 2
