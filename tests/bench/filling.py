"""Fill an embedded database with any number of calls fast: bulk insert with the triggers off, then one rebuild.

Calls lie evenly over 90 days, 25 models of 5 providers, 50 users and 3 sources, which is the worst case for rollups: no
row is spared; whose key paid follows from model and user, as it does in truth. One call in twenty fails, one in ten retries, one model has no price. The same number gives the same calls.
So a filled database is kept under build/, which Git ignores, until the schema or the way of filling changes.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store import triggers
from lib.store.database import upgrade
from lib.store.engine import open_engine, writing
from lib.store.rebuild import rebuild
from lib.store.types import epoch_ms

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "bench"
FILE = "modeldeck.db"
"""The database's name in a data folder."""
DAYS, MODELS, USERS = 90, 25, 50
NOW = datetime(2026, 5, 20, 13, 10, tzinfo=UTC)

# Each call's number n becomes a row by arithmetic alone; a to d are four hashes of it.
_ROWS = """
WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :end),
mixed AS (SELECT n, (n * 2654435761 + 40503) % 4294967291 AS x, (n * 2246822519 + 7919) % 4294967279 AS y FROM numbers),
hashed AS (
  SELECT n, (x * (y >> 12) + y) % 4294967291 AS a, (y * (x >> 11) + x) % 4294967279 AS b,
    (x * (y >> 13) + 3 * x + y) % 4294967231 AS c, (y * (x >> 14) + 5 * y + x) % 4294967197 AS d FROM mixed),
dealt AS (
  SELECT n, a, b, c, d, (a >> 7) % :models AS model, (b >> 9) % :users AS user, (c >> 11) % 20 AS luck,
    100 + (d >> 5) % 6000 AS input, 20 + (a >> 13) % 1200 AS output, 150 + (b >> 12) % 900 AS ttft FROM hashed)
INSERT INTO llm_usage_log (request_id, attempt, is_final, started_at, status, user_id, user_name, model_id, model_key, model_name,
  provider_id, provider, provider_name, endpoint, source, key_scope, is_sample, input_tokens, cache_read_tokens, cache_write_tokens,
  cache_write_1h_tokens, output_tokens, reasoning_tokens, usage_source, cost_nano_usd, cache_saving_nano_usd, price_id, price_source,
  ttft_ms, latency_ms, error_class, error_status, error_message, finish_reason)
SELECT CAST(printf('%08x%08x', a, n) AS BLOB), 1, 1, :start + CAST(n * :step AS integer),
  iif(luck = 0, 'error', 'ok'), (SELECT number FROM usage_texts WHERE text = printf('%08x-0000-4000-8000-%012x', (user + 1) * 79764919, user + 1)),
  (SELECT number FROM usage_texts WHERE text = 'Person ' || (user + 1)),
  model + 1, (SELECT number FROM usage_texts WHERE text = 'model-' || (model + 1) || '-large'), (SELECT number FROM usage_texts WHERE text = 'Model ' || (model + 1) || ' Large'),
  model % 5 + 1, (SELECT number FROM usage_texts WHERE text = 'provider-' || (model % 5 + 1)), (SELECT number FROM usage_texts WHERE text = 'Provider ' || (model % 5 + 1)),
  (SELECT number FROM usage_texts WHERE text = 'chat/completions'),
  (SELECT number FROM usage_texts WHERE text = CASE WHEN (d >> 3) % 10 < 5 THEN 'api' WHEN (d >> 3) % 10 < 9 THEN 'playground' ELSE 'cli' END),
  (SELECT number FROM usage_texts WHERE text = CASE WHEN model % 12 = 5 THEN 'own' WHEN (user + model % 5) % 3 = 0 THEN 'user' ELSE 'system' END), 0,
  iif(luck = 0, NULL, input), iif(luck = 0, NULL, iif(luck < 8, input / 2, 0)), iif(luck = 0, NULL, 0), iif(luck = 0, NULL, 0),
  iif(luck = 0, NULL, output), iif(luck = 0, NULL, iif(luck > 16, output / 3, 0)), (SELECT number FROM usage_texts WHERE text = iif(luck = 0, 'none', 'provider')),
  iif(luck = 0 OR model = 24, NULL, input * 3000 + output * 15000), iif(luck = 0 OR model = 24, NULL, iif(luck < 8, input / 2 * 2700, 0)),
  iif(luck = 0 OR model = 24, NULL, model + 1), iif(luck = 0 OR model = 24, NULL, (SELECT number FROM usage_texts WHERE text = 'seed')),
  iif(luck = 0, NULL, ttft), ttft + output * 12, iif(luck = 0, iif(a % 3 = 0, 'timeout', iif(a % 3 = 1, 'rate-limit', 'network')), NULL),
  iif(luck = 0, 429, NULL), iif(luck = 0, 'The provider asked to slow down.', NULL), iif(luck = 0, NULL, (SELECT number FROM usage_texts WHERE text = 'stop'))
FROM dealt
"""

# What rows share is kept once and stands in them as a number.
_TEXTS = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < max(:models, :users))
INSERT INTO usage_texts (text)
SELECT printf('%08x-0000-4000-8000-%012x', n * 79764919, n) FROM numbers WHERE n <= :users
UNION ALL SELECT 'Person ' || n FROM numbers WHERE n <= :users
UNION ALL SELECT 'Model ' || n || ' Large' FROM numbers WHERE n <= :models
UNION ALL SELECT 'Provider ' || n FROM numbers WHERE n <= 5
UNION ALL SELECT 'model-' || n || '-large' FROM numbers WHERE n <= :models
UNION ALL SELECT 'provider-' || n FROM numbers WHERE n <= 5
UNION ALL VALUES ('api'), ('playground'), ('cli')
UNION ALL VALUES ('chat/completions'), ('system'), ('user'), ('own'), ('none'), ('provider'), ('seed'), ('stop')
"""


def fill(path: Path, calls: int, *, days: int = DAYS) -> Engine:
    """Make a database file with this many calls up to NOW and return an engine on it."""
    engine = open_engine(SecretStr(f"sqlite:///{path}"))
    upgrade(engine)
    span = timedelta(days=days)
    with writing(engine).begin() as connection:
        triggers.remove(connection)
    with _fast(path) as driver:
        driver.execute(_TEXTS, {"models": MODELS, "users": USERS})
        for first in range(0, calls, 500_000):
            end = min(first + 500_000, calls)
            given = {"first": first, "end": end, "models": MODELS, "users": USERS}
            driver.execute(_ROWS, given | {"start": epoch_ms(NOW - span), "step": span / timedelta(milliseconds=1) / max(calls, 1)})
            driver.commit()
    with writing(engine).begin() as connection:
        triggers.install(connection)
    rebuild(engine)
    return engine


def kept(calls: int, folder: Path = KEPT) -> Path:
    """Return a data folder with this many calls: the one filled before, or else one filled now, in the place of outdated ones."""
    wanted = folder / f"{calls}-{_version()}"
    if not wanted.exists():
        for outdated in folder.glob(f"{calls}-*"):
            shutil.rmtree(outdated)
        half_done = folder / f"{calls}-being-filled"  # one left by a fill that broke off was outdated just now
        half_done.mkdir(parents=True)
        fill(half_done / FILE, calls).dispose()
        half_done.rename(wanted)
    return wanted


def _version() -> str:
    """Return what changes whenever a database would be filled otherwise."""
    found = hashlib.sha256(f"{_ROWS}{NOW}{DAYS}{MODELS}{USERS}".encode())
    for file in sorted((ROOT / "lib" / "store").rglob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()[:12]


@contextmanager
def _fast(path: Path) -> Iterator[sqlite3.Connection]:
    driver = sqlite3.connect(path)
    try:
        driver.execute("PRAGMA synchronous=OFF")
        driver.execute("PRAGMA cache_size=-400000")
        yield driver
    finally:
        driver.close()
