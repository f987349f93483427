"""The subscription rule decides every case of the truth table it was specified by."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.access import Subscription
from lib.access.subscription import REQUIRED

FOLDER = os.environ.get("CONFORMANCE_DIR")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="CONFORMANCE_DIR is not set: subscription truth table not checked")


def test_every_case_is_decided_as_the_table_says() -> None:
    table = json.loads((Path(FOLDER or "") / "v2" / "subscription_truth_table.json").read_text())
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    ends = {None: None, "past": now - timedelta(days=1), "future": now + timedelta(days=1)}
    assert table["cases"]
    for case in table["cases"]:
        held = Subscription(case["has_subscription"], case["is_trial"], ends[case["expiry"]])
        assert held.is_active(now) is case["allowed"], case
    assert REQUIRED in table["rule"]
