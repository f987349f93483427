"""What wants attention is told with its reason, and nothing is told that is none of the reader's business."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.analytics import EVERYBODY, Blacklisted, Filters, Problem, Scope, blacklist, preset, problems, usage_by
from lib.store.schema import hint_events, model_compatibility_hints
from tests.analytics.rows import insert, logged

NOW = datetime(2026, 3, 5, 12, 10, tzinfo=UTC)
RANGE = preset("7d", NOW, ZoneInfo("UTC"))
ADA, BOB, NOBODY = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b", ""
HINT = {"provider": "acme", "created_at": NOW, "updated_at": NOW}


@pytest.fixture
def avoided(sqlite_engine: Engine) -> Engine:
    """One model blacklisted with events, one without any, one merely disliked."""
    with sqlite_engine.begin() as connection:
        rows = [
            {**HINT, "model": "old", "is_blacklisted": True, "blacklist_reason": "It is withdrawn.", "error_count": 7, "success_count": 2},
            {
                **HINT,
                "model": "odd",
                "is_blacklisted": True,
                "last_error_type": "auth",
                "last_error_message": "No such model",
                "last_error_time": NOW,
            },
            {**HINT, "model": "fine", "error_count": 1},
        ]
        for row in rows:
            connection.execute(sa.insert(model_compatibility_hints).values(row))
        for days in (3, 2):
            at = NOW - timedelta(days=days)
            connection.execute(sa.insert(hint_events).values(at=at, provider="acme", model="old", event="blacklisted"))
        connection.execute(sa.insert(hint_events).values(at=NOW, provider="acme", model="old", event="probed"))
    return sqlite_engine


def test_the_blacklist_says_why_and_since_when(avoided: Engine) -> None:
    assert blacklist(avoided) == [
        Blacklisted("acme", "odd", None, NOW, 0, 0, "auth", "No such model", NOW),
        Blacklisted("acme", "old", "It is withdrawn.", NOW - timedelta(days=2), 7, 2, None, None, None),
    ]


def test_problems_are_named_with_their_calls(avoided: Engine) -> None:
    rows = [logged(started_at=NOW, model_key="old", cost_nano_usd=1, status="error") for _ in range(5)]
    rows += [logged(started_at=NOW, model_key="gpt", cost_nano_usd=None, input_tokens=1) for _ in range(2)]
    rows += [logged(started_at=NOW, model_key="fine", cost_nano_usd=1, status="error" if n < 5 else "ok") for n in range(26)]
    insert(avoided, rows)
    assert problems(avoided, EVERYBODY, RANGE) == [
        Problem("blacklisted", "odd", "odd", 0, "No such model."),
        Problem("blacklisted", "old", "old", 5, "It is withdrawn."),
        Problem("unpriced", "gpt", "gpt", 2, "2 calls have no price."),
        Problem("failing", "old", "old", 5, "5 of 5 attempts failed."),
    ]
    assert [p.kind for p in problems(avoided, EVERYBODY, RANGE, Filters(models=("gpt",)))] == ["unpriced"]
    assert [p.kind for p in problems(avoided, EVERYBODY, RANGE, blacklisted=())] == ["unpriced", "failing"]


def test_one_persons_view_tells_nothing_of_the_router(avoided: Engine) -> None:
    insert(avoided, [logged(started_at=NOW, user_id=ADA, cost_nano_usd=None)])
    assert [(p.kind, p.detail) for p in problems(avoided, Scope(ADA), RANGE)] == [("unpriced", "1 call has no price.")]


def test_people_go_by_their_newest_name(engine: Engine) -> None:
    insert(
        engine,
        [
            logged(started_at=NOW - timedelta(hours=2), user_id=ADA, user_name="A. Byron", cost_nano_usd=3),
            logged(started_at=NOW - timedelta(hours=1), user_id=ADA, user_name="Ada Lovelace", cost_nano_usd=3),
            logged(started_at=NOW, user_id=BOB, cost_nano_usd=2),
            logged(started_at=NOW, cost_nano_usd=1),
        ],
    )
    assert [(s.key, s.label) for s in usage_by(engine, "user", EVERYBODY, RANGE)] == [
        (ADA, "Ada Lovelace"),
        (BOB, BOB),
        (NOBODY, "No user"),
    ]
