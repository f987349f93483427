"""The bench of streaming measures what it says: both sides read the same answer, and the result has its fields."""

from __future__ import annotations

import importlib.util

import pytest

from tests.bench.stream import TARGET, measure_others, measure_stream


def test_a_short_run_measures_both_sides_of_the_same_stream() -> None:
    result = measure_stream(rounds=3)

    assert result["target"] == TARGET
    assert result["details"]["rounds"] == 3
    assert result["details"]["adapter_us"] > 0 < result["details"]["raw_us"]
    assert 0 < result["ratio"] < 10


def test_a_client_that_is_not_installed_is_left_out_with_a_line_that_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert measure_others() == []
    assert capsys.readouterr().err.count("install the extra bench") == 2
