"""The questions asked of the router's memory each week, month and quarter, as one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.analytics.compatibility import model_labels
from lib.analytics.filters import Filters
from lib.analytics.ranges import Range, Scope
from lib.analytics.usage import Share, Totals, usage_by
from lib.registry import Model
from lib.store.faults import store_faults
from lib.store.schema import model_compatibility_hints

PROBLEM_ABOVE = 2
"""A model with more counted errors than this is a problem model."""
NEEDS_FALLBACK_BELOW = 0.9
"""A model that comes through less often than this wants another to fall back on; so does one that is blacklisted."""
GOOD_FROM = 0.95
"""A model is suggested only if at least this part of its attempts came through …"""
TRIED_FROM = 20
"""… of at least so many in the range: one that nobody has tried is not known to be good."""
CHEAPEST, DEAREST = Decimal("0.25"), Decimal(2)
"""A fallback's price, as multiples of that of the model it stands in for."""
SUGGESTED = 3
_INPUT_PARTS = 3  # tokens in for each one out, when one figure must stand for a price

_REAL = Filters(sample=False)


@dataclass(frozen=True, slots=True)
class ProblemModel:
    """A model with counted errors, as its hint has it."""

    provider: str
    model: str
    label: str
    error_count: int
    success_count: int
    is_blacklisted: bool
    manual_state: str | None
    reason: str | None
    last_error_type: str | None
    last_error: str | None
    last_error_at: datetime | None
    next_probe_at: datetime | None


@dataclass(frozen=True, slots=True)
class SuccessRate:
    """Which part of the attempts came through, those the reader stopped left out; None when nothing else is left."""

    by: Literal["provider", "model"]
    key: str
    label: str
    attempts: int
    ok: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A model to fall back on for another that fails, and each reason why it was chosen."""

    model: str
    label: str
    fallback: str
    fallback_label: str
    fallback_provider: str
    reasons: tuple[str, ...]
    is_set: bool


@dataclass(frozen=True, slots=True)
class HintReport:
    """The report: weekly the problem models, monthly what a cleanup would remove, quarterly the rates and fallbacks.

    ``without`` names models that want a fallback for which none can be suggested, each with the reason.
    """

    problems: tuple[ProblemModel, ...]
    removable: tuple[tuple[str, str], ...]
    providers: tuple[SuccessRate, ...]
    models: tuple[SuccessRate, ...]
    suggestions: tuple[Suggestion, ...]
    without: tuple[tuple[str, str], ...]


def hint_report(
    engine: Engine, scope: Scope, range_: Range, models: Sequence[Model], removable: Sequence[tuple[str, str]], *, kept: int = 10
) -> HintReport:
    """Return the report over the real calls of a range; ``models`` is the registry, ``removable`` what a cleanup would remove.

    The lowest success rates are given, ``kept`` of each kind. One person's scope is told nothing.
    """
    if scope.user_id is not None:
        return HintReport((), (), (), (), (), ())
    by_model = usage_by(engine, "model", scope, range_, _REAL)
    problems, blacklisted = _problems(engine)
    suggestions, without = suggest_fallbacks(models, {share.key: share.totals for share in by_model}, blacklisted)
    return HintReport(
        problems=tuple(problems),
        removable=tuple(sorted(removable)),
        providers=_lowest("provider", usage_by(engine, "provider", scope, range_, _REAL), kept),
        models=_lowest("model", by_model, kept),
        suggestions=tuple(suggestions),
        without=tuple(without),
    )


def success_rate(totals: Totals) -> float | None:
    """Return the part of the attempts that came through, leaving out those the reader stopped; None without any."""
    counted = totals.ok + totals.errors + totals.interrupted
    return totals.ok / counted if counted else None


def suggest_fallbacks(
    models: Sequence[Model], totals: Mapping[str, Totals], blacklisted: set[tuple[str, str]]
) -> tuple[list[Suggestion], list[tuple[str, str]]]:
    """Return models to fall back on for each active one that fails, best first, and the models there is none for, with why.

    One is suggested only when it can be called now, can do and hold all that the other can, costs a similar amount by known
    prices, and has come through nearly always; the models of another provider come first.
    """
    found: list[Suggestion] = []
    without: list[tuple[str, str]] = []
    for model in models:
        if not model.is_active or not _wants_fallback(model, totals.get(model.model_key), blacklisted):
            continue
        cost = _price(model)
        if cost is None:
            without.append((model.model_key, "It has no price to compare others with."))
            continue
        fitting = [
            (other, part, price)
            for other in models
            if (part := _fits(model, other, totals.get(other.model_key), blacklisted)) is not None
            and (price := _price(other)) is not None
            and CHEAPEST * cost <= price <= DEAREST * cost
        ]
        fitting.sort(key=lambda f: (f[0].provider.id == model.provider.id, -f[1], abs(f[2] - cost), f[0].model_key))
        if not fitting:
            without.append(
                (model.model_key, "No other usable model that can do as much, at a similar price, has come through often enough.")
            )
        for other, _, price in fitting[:SUGGESTED]:
            reasons = _reasons(model, other, totals[other.model_key], cost, price)
            names = (model.model_key, model.display_name, other.model_key, other.display_name, other.provider.slug)
            found.append(Suggestion(*names, reasons, other.model_key in model.fallbacks))
    return found, without


def _wants_fallback(model: Model, totals: Totals | None, blacklisted: set[tuple[str, str]]) -> bool:
    if (model.provider.slug, model.model_key) in blacklisted:
        return True
    rate = success_rate(totals) if totals else None
    return rate is not None and totals is not None and totals.attempts >= TRIED_FROM and rate < NEEDS_FALLBACK_BELOW


def _fits(model: Model, other: Model, totals: Totals | None, blacklisted: set[tuple[str, str]]) -> float | None:
    """Return how often a model came through when it may stand in for another; None when it may not."""
    if other.id == model.id or not other.usable or other.hidden or (other.provider.slug, other.model_key) in blacklisted:
        return None
    if other.model_type != model.model_type or not model.capabilities <= other.capabilities or other.owner_id != model.owner_id:
        return None
    for limit in ("context_window", "max_output_tokens"):
        mine, theirs = getattr(model, limit), getattr(other, limit)
        if mine is not None and (theirs is None or theirs < mine):
            return None
    rate = success_rate(totals) if totals else None
    if totals is None or rate is None or rate < GOOD_FROM or totals.ok + totals.errors + totals.interrupted < TRIED_FROM:
        return None
    return rate


def _reasons(model: Model, other: Model, totals: Totals, cost: Decimal, price: Decimal) -> tuple[str, ...]:
    able = ", ".join(sorted(model.capabilities)) or "chat"
    counted = totals.ok + totals.errors + totals.interrupted
    where = "another provider" if other.provider.id != model.provider.id else "the same provider"
    return (
        f"It can do all that {model.display_name} can: {able}.",
        f"{totals.ok:,} of its {counted:,} attempts came through ({totals.ok / counted:.1%}).",
        f"It costs {_times(price, cost)}, {_INPUT_PARTS} tokens in to one out.",
        f"It is at {where}, {other.provider.display_name}.",
    )


def _times(price: Decimal, cost: Decimal) -> str:
    if price == cost:
        return "the same"
    return f"{price / cost:.2f} times as much" if cost else "nothing, as well"


def _price(model: Model) -> Decimal | None:
    """Return USD per 1M tokens as one figure; None when a rate is not known."""
    if model.price is None or model.price.input is None or model.price.output is None:
        return None
    return (model.price.input * _INPUT_PARTS + model.price.output) / (_INPUT_PARTS + 1)


def _problems(engine: Engine) -> tuple[list[ProblemModel], set[tuple[str, str]]]:
    hints = model_compatibility_hints.c
    with store_faults(), engine.connect() as connection:
        rows = connection.execute(
            sa.select(model_compatibility_hints).where(sa.or_(hints.error_count > PROBLEM_ABOVE, hints.is_blacklisted))
        )
        found = rows.mappings().all()
        labels = model_labels(connection)
    problems = [
        ProblemModel(
            provider=row["provider"],
            model=row["model"],
            label=labels.get((row["provider"], row["model"]), row["model"]),
            error_count=row["error_count"],
            success_count=row["success_count"],
            is_blacklisted=row["is_blacklisted"],
            manual_state=row["manual_state"],
            reason=row["blacklist_reason"],
            last_error_type=row["last_error_type"],
            last_error=row["last_error_message"],
            last_error_at=row["last_error_time"],
            next_probe_at=row["next_probe_at"] if row["is_blacklisted"] else None,
        )
        for row in found
        if row["error_count"] > PROBLEM_ABOVE
    ]
    worst = sorted(problems, key=lambda p: (-p.error_count, p.success_count, p.provider, p.model))
    return worst, {(row["provider"], row["model"]) for row in found if row["is_blacklisted"]}


def _lowest(by: Literal["provider", "model"], shares: Sequence[Share], kept: int) -> tuple[SuccessRate, ...]:
    rates = [SuccessRate(by, s.key, s.label, s.totals.attempts, s.totals.ok, success_rate(s.totals)) for s in shares]
    known = [rate for rate in rates if rate.rate is not None]
    return tuple(sorted(known, key=lambda r: (r.rate or 0.0, -r.attempts, r.key))[:kept])
