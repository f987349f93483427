"""What a machine may lack: tests that need it are left out with a line that says so, but never in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(message: str) -> NoReturn:
    """Leave out the test that asked, or fail it where everything must be installed."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
