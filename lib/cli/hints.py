"""``hints``: what the router learned about models that fail, and what a person decides about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from lib.cli.output import emit, json_option, plain, table

if TYPE_CHECKING:
    from lib.routing.compatibility import Hint
    from lib.routing.recovery import Probe

_DAYS = re.compile(r"(\d{1,5})([dw])")
_KEPT = 80


@click.group()
def hints() -> None:
    """See, judge and forget what was learned about models that fail. MODEL is its key, PROVIDER/KEY or another name of it."""


@hints.command("list")
@click.option("--provider", metavar="SLUG", help="Only this provider's models.")
@click.option("--blacklisted", is_flag=True, help="Only models that calls keep away from.")
@json_option
def list_hints(provider: str | None, blacklisted: bool, as_json: bool) -> None:
    """List what is noted of each model: counts, endpoints, parameters, blacklist and rest."""
    from lib.cli.session import session

    with session() as opened:
        found = opened.services.hints(opened.principal).all()
    chosen = [h for h in found if (provider is None or h.provider == provider) and (h.is_blacklisted or not blacklisted)]
    emit(as_json, [_document(hint) for hint in chosen], _listed(chosen))


@hints.command()
@click.option(
    "--since",
    default="90d",
    show_default=True,
    metavar="WHEN",
    help="Success rates from when on: 24h, 30d, 12w, or a first day (2026-01-31).",
)
@click.option(
    "--older-than", default="90d", show_default=True, metavar="AGE", help="Age from which a cleanup would remove, in days or weeks."
)
@json_option
def report(since: str, older_than: str, as_json: bool) -> None:
    """Report problem models, what a cleanup would remove, the lowest success rates, and models to fall back on."""
    from zoneinfo import ZoneInfo

    from lib.analytics import Scope, hint_report
    from lib.cli.session import session
    from lib.cli.usage import parse_since

    age, range_ = parse_age(older_than), parse_since(since, datetime.now(UTC), ZoneInfo("UTC"))
    with session() as opened:
        services, principal = opened.services, opened.principal
        removable = services.hints(principal).removable(age)
        found = hint_report(services.analytics_engine, Scope.of(principal), range_, opened.registry.models(), removable)
    document = _plain_values(asdict(found)) | {"since": range_.start.isoformat(), "older_than_days": age.days}
    document["removable"] = [_pair_document(pair) for pair in found.removable]
    document["without"] = [{"model": model, "reason": reason} for model, reason in found.without]
    emit(as_json, document, _reported(found, range_.start, age))


@hints.command()
@click.argument("model", required=False)
@json_option
def probe(model: str | None, as_json: bool) -> None:
    """Ask MODEL for one word now, or with none every blacklisted model whose probe is due; costs count as probes."""
    from lib.cli.session import session

    with session() as opened:
        desk = opened.services.hints(opened.principal)
        done = desk.probe_due() if model is None else [desk.probe(desk.pair(model))]
        waiting = [h for h in desk.all() if h.is_blacklisted and h.next_probe_at is not None and h.manual_state is None] if not done else []
    lines = [_probed(one) for one in done]
    if not done:
        soonest = min((h.next_probe_at for h in waiting if h.next_probe_at), default=None)
        lines.append("No probe is due." + (f" The next one is at {_when(soonest)}." if soonest else ""))
    emit(as_json, [_plain_values(asdict(one)) for one in done], lines)
    if model is not None and done[0].outcome != "ok":
        raise click.ClickException(plain(done[0].sentence))


@hints.command()
@click.argument("refs", metavar="MODEL...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Forget what is noted of every model.")
@json_option
def reset(refs: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Forget what is noted of some models; the timeline of what happened stays."""
    from lib.cli.session import session

    if bool(refs) == everything:
        raise click.UsageError("Name the models to forget about, or give --all.")
    with session() as opened:
        desk = opened.services.hints(opened.principal)
        gone = desk.reset(None if everything else [desk.pair(ref) for ref in refs])
    emit(as_json, [_pair_document(pair) for pair in gone], [f"{plain(str(pair))}: forgotten." for pair in gone] or ["Nothing was noted."])


@hints.command()
@click.option("--older-than", default="90d", show_default=True, metavar="AGE", help="Least age, in days or weeks (90d, 12w).")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
def cleanup(older_than: str, dry_run: bool, as_json: bool) -> None:
    """Remove old hints that count neither errors nor successes; what a person decided is kept."""
    from lib.cli.session import session

    age = parse_age(older_than)
    with session() as opened:
        desk = opened.services.hints(opened.principal)
        gone = desk.removable(age) if dry_run else desk.cleanup(age)
    word = "would be removed" if dry_run else "removed"
    document = {"older_than_days": age.days, "dry_run": dry_run, "removed": [_pair_document(pair) for pair in gone]}
    emit(as_json, document, [f"{plain(str(pair))}: {word}." for pair in gone] or ["There is nothing to clean up."])


@hints.command()
@click.argument("model")
@click.option("--reason", required=True, metavar="TEXT", help="Why; everybody who looks at the model reads it.")
@json_option
def blacklist(model: str, reason: str, as_json: bool) -> None:
    """Keep calls from MODEL until somebody takes it back; no probe does."""
    _decide(model, as_json, lambda desk, pair: desk.blacklist(pair, reason), "is blacklisted")


@hints.command()
@click.argument("model")
@json_option
def unblacklist(model: str, as_json: bool) -> None:
    """Use MODEL again; it counts as one that has worked."""
    _decide(model, as_json, lambda desk, pair: desk.unblacklist(pair), "is used again")


@hints.command()
@click.argument("model")
@click.argument("endpoint", required=False)
@json_option
def prefer(model: str, endpoint: str | None, as_json: bool) -> None:
    """Ask MODEL on ENDPOINT first, such as responses; without one, as its provider usually is."""
    done = "is asked as its provider usually is" if endpoint is None else f"is asked on {plain(endpoint)} first"
    _decide(model, as_json, lambda desk, pair: desk.prefer(pair, endpoint), done)


@hints.command()
@click.argument("model")
@click.argument("parameter")
@json_option
def accept(model: str, parameter: str, as_json: bool) -> None:
    """Keep for good what was learned about a PARAMETER of MODEL."""
    _decide(model, as_json, lambda desk, pair: desk.accept_parameter(pair, parameter), f"keeps what was learned about {plain(parameter)}")


@hints.command()
@click.argument("model")
@click.argument("parameter")
@json_option
def reject(model: str, parameter: str, as_json: bool) -> None:
    """Switch off what was learned about a PARAMETER of MODEL: it is sent as asked."""
    _decide(model, as_json, lambda desk, pair: desk.reject_parameter(pair, parameter), f"gets {plain(parameter)} as asked")


def parse_age(text: str) -> timedelta:
    """Return what ``--older-than`` means: days or weeks."""
    match = _DAYS.fullmatch(text.strip().lower())
    if match is None or int(match[1]) < 1:
        raise click.UsageError("--older-than must be in days or weeks, such as 90d or 12w.")
    return timedelta(days=int(match[1]) * (7 if match[2] == "w" else 1))


def _decide(ref: str, as_json: bool, change: Any, done: str) -> None:
    from lib.cli.session import session

    with session() as opened:
        desk = opened.services.hints(opened.principal)
        pair = desk.pair(ref)
        change(desk, pair)
        hint = next(h for h in desk.all() if h.pair == pair)
    emit(as_json, _document(hint), [f"{plain(str(pair))} {done}."])


def _document(hint: Hint) -> Any:
    return _plain_values(asdict(hint))


def _pair_document(pair: Sequence[str]) -> Mapping[str, str]:
    return {"provider": pair[0], "model": pair[1]}


def _plain_values(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain_values(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_values(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _listed(found: Sequence[Hint]) -> list[str]:
    if not found:
        return ["Nothing is noted of any model."]
    heads = ["Model", "Errors", "Successes", "State", "Last error"]
    rows = [[_short(str(h.pair)), f"{h.error_count:,}", f"{h.success_count:,}", _state(h), _short(h.last_error_message)] for h in found]
    return table(heads, rows)


def _state(hint: Hint) -> str:
    if hint.is_blacklisted:
        said = "blacklisted by a person" if hint.manual_state == "blacklisted" else "blacklisted"
        return said + (f", next probe {_when(hint.next_probe_at)}" if hint.next_probe_at else "")
    if hint.cooldown_until is not None and hint.cooldown_until > datetime.now(UTC):
        return f"rests until {_when(hint.cooldown_until)}"
    return f"asked on {hint.preferred_endpoint}" if hint.preferred_endpoint else "in use"


def _reported(found: Any, start: datetime, age: timedelta) -> list[str]:
    lines = ["Problem models (more than 2 errors, worst first)"]
    lines += [
        f"  {p.label} ({p.provider}/{p.model}): {p.error_count:,} errors, {p.success_count:,} successes"
        f"{', blacklisted' if p.is_blacklisted else ''}. {_short(p.last_error)}".rstrip()
        for p in found.problems
    ] or ["  None."]
    lines += ["", f"A cleanup of hints older than {age.days} days would remove"]
    lines += [f"  {provider}/{model}" for provider, model in found.removable] or ["  Nothing."]
    for name, rates in (("providers", found.providers), ("models", found.models)):
        lines += ["", f"Lowest success rates of {name} since {start:%d %B %Y}"]
        lines += [f"  {r.label}: {r.rate:.1%} of {r.attempts:,} attempts" for r in rates] or ["  No calls yet."]
    lines += ["", "Suggested fallbacks"]
    for one in found.suggestions:
        lines.append(f"  {one.label} → {one.fallback_label} ({one.fallback}){', set already' if one.is_set else ''}")
        lines += [f"    {reason}" for reason in one.reasons]
    lines += [f"  {model}: none. {reason}" for model, reason in found.without]
    return [plain(line) for line in lines] if found.suggestions or found.without else [*map(plain, lines), "  None is wanted."]


def _probed(probe: Probe) -> str:
    from lib.money import format_usd

    sign = {"ok": "🟢", "failed": "🔴", "skipped": "⚪"}[probe.outcome]
    took = "" if probe.latency_ms is None else f" {probe.latency_ms:,} ms"
    paid = f", {format_usd(probe.cost_nano_usd)}" if probe.outcome == "ok" else ""
    again = f" Next probe at {_when(probe.next_probe_at)}." if probe.next_probe_at else ""
    return plain(f"{sign} {probe.provider}/{probe.model}:{took}{paid} {probe.sentence}{again}")


def _when(at: datetime | None) -> str:
    return "–" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def _short(text: str | None) -> str:
    words = plain(" ".join((text or "").split()))
    return words if len(words) <= _KEPT else words[: _KEPT - 1] + "…"
