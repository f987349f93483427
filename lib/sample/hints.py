"""What the router would know of sample models, kept where it never looks.

The router's memory, model_compatibility_hints, holds real pairs only: whatever ranks, probes, resets or cleans up hints
need not know of sample data. A sample model carries its own state in its settings, for analytics to read beside them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.registry.reader import MODELS
from lib.registry.values import SAMPLE
from lib.sample.calls import Cast
from lib.sample.catalog import BLACKLISTED
from lib.sample.rhythm import Span
from lib.store.base import Store
from lib.store.faults import store_faults
from lib.store.schema import llm_models, llm_providers
from lib.usage.values import Params

_KEY = "hint"
_REASON = "{count} calls failed because the provider does not serve this model any more."


@dataclass(frozen=True, slots=True)
class SampleHint:
    """The state of one sample model, in the words of model_compatibility_hints; ``blacklisted_at`` says since when."""

    provider: str
    model: str
    error_count: int
    success_count: int
    last_error_type: str | None
    last_error_message: str | None
    last_error_time: datetime | None
    last_success_time: datetime | None
    is_blacklisted: bool
    blacklist_reason: str | None
    blacklisted_at: datetime | None


def sample_hints(engine: Engine) -> list[SampleHint]:
    """Return the state of every sample model that has one; at present that is the blacklisted one."""
    query = sa.select(llm_models.c.settings).join(llm_providers).where(llm_providers.c.kind == SAMPLE).order_by(llm_models.c.display_order)
    with store_faults(), engine.connect() as connection:
        return [_read(settings[_KEY]) for settings in connection.scalars(query) if _KEY in settings]


class Tally:
    """Counts how the blacklisted model's calls end while they are written."""

    def __init__(self) -> None:
        self._errors = self._successes = 0
        self._last_error: Params | None = None
        self._last_success: Params | None = None

    def count(self, row: Params) -> None:
        """Note one row of the log."""
        if row["model_key"] != BLACKLISTED:
            return
        if row["status"] == "ok":
            self._successes, self._last_success = self._successes + 1, row
        elif row["error_class"] == "model-incompatible":
            self._errors, self._last_error = self._errors + 1, row

    def save(self, store: Store, cast: Cast, range_: Span) -> None:
        """Store what was counted with the model; a model that never failed is not blacklisted."""
        last = self._last_error
        if last is None:
            return
        role = cast[BLACKLISTED]
        hint = SampleHint(
            provider=role.provider.slug,
            model=role.model.key,
            error_count=self._errors,
            success_count=self._successes,
            last_error_type=last["error_class"],
            last_error_message=last["error_message"],
            last_error_time=last["started_at"],
            last_success_time=self._last_success["started_at"] if self._last_success else None,
            is_blacklisted=True,
            blacklist_reason=_REASON.format(count=self._errors),
            blacklisted_at=range_.blacklisted,
        )
        store.update(MODELS, {"settings": {_KEY: _written(hint)}}, where={"id": role.model_id})


def _written(hint: SampleHint) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(hint).items()}


def _read(stored: dict[str, Any]) -> SampleHint:
    values = {f.name: stored[f.name] for f in fields(SampleHint)}
    for name in ("last_error_time", "last_success_time", "blacklisted_at"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return SampleHint(**values)
