"""``sample load`` and ``sample clear``: something to look at on the first day, gone again without a trace."""

from __future__ import annotations

import pytest

from .conftest import Run

pytestmark = pytest.mark.usefixtures("seeded")
LOAD = ("sample", "load", "--calls", "400", "--days", "20", "--seed", "3")


def test_what_is_loaded_is_what_the_usage_report_counts(run: Run) -> None:
    document = run(*LOAD, "--json").document
    assert (document["calls"], document["replaced"], document["seed"]) == (400, 0, 3)
    total = run("usage", "summary", "--since", "30d", "--json").document["total"]
    assert total["requests"] == document["requests"]
    assert total["cost_nano_usd"] > 0
    assert run("db", "verify").code == 0


def test_loading_again_says_that_it_replaced(run: Run) -> None:
    run(*LOAD)
    ran = run(*LOAD)
    assert ran.code == 0
    assert "400 sample calls of 13 sample models were loaded, in place of 400" in ran.out
    assert run(*LOAD, "--json").document["replaced"] == 400


def test_clearing_says_what_went_and_is_no_error_when_nothing_is_there(run: Run) -> None:
    assert run("sample", "clear", "--json").document == {"calls": 0, "models": 0}
    run(*LOAD)
    assert run("sample", "clear", "--json").document == {"calls": 400, "models": 13}
    assert run("sample", "clear").out == "There is no sample data.\n"
    assert run("usage", "summary", "--json").document["rows"] == []


def test_sample_models_are_not_among_the_models_and_cannot_be_called_or_switched_on(run: Run) -> None:
    listed, keys, exported = run("models", "list", "--json").out, run("keys", "list").out, run("models", "export").document["models"]
    run(*LOAD)
    assert run("models", "list", "--json").out == listed
    assert run("keys", "list").out == keys
    assert run("models", "export").document["models"] == exported
    for words in (
        ("chat", "sample-quill-large", "hello"),
        ("models", "activate", "sample-quill-large"),
        ("models", "default", "sample-quill-large"),
    ):
        ran = run(*words)
        assert (ran.code, ran.out) == (1, "")
        assert "no model named 'sample-quill-large'" in ran.err


@pytest.mark.parametrize("wrong", [("--calls", "0"), ("--calls", "many"), ("--days", "0"), ("--days", "999999"), ("--seed", "x")])
def test_a_number_that_makes_no_sense_is_wrong_usage_and_changes_nothing(run: Run, wrong: tuple[str, str]) -> None:
    ran = run("sample", "load", *wrong, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert run("sample", "clear", "--json").document == {"calls": 0, "models": 0}
