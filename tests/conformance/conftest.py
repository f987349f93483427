"""What the conformance tests measured, told at the end of every run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return what adds a line to the run's summary."""
    return request.config.stash.setdefault(_LINES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the lines under a heading of their own."""
    if lines := terminalreporter.config.stash.get(_LINES, []):
        terminalreporter.section("conformance")
        for line in lines:
            terminalreporter.write_line(line)
