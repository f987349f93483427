"""The SQL of a question: sums over the rollups its plan names, and over the log where none can answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.analytics.filters import COLUMN_OF, Filters, Status, needed_dimensions
from lib.analytics.plan import Part, Span, family, plan
from lib.analytics.ranges import Scope
from lib.store.grains import MEASURES, SLOT_MS, Dimension, Subject, rollup_state
from lib.store.types import numbers_of, text_of
from lib.store.usage_tables import FAILED

Metric = Literal["latency", "ttft"]
_UNSUCCESSFUL: tuple[Status, ...] = ("error", "cancelled", "interrupted")
Row = Sequence[Any]
_NAMES = ("model_key", "provider", "source")
"""Names that the log on SQLite keeps as numbers of texts."""


@dataclass(frozen=True, slots=True)
class Question:
    """Sums per span and, when ``by`` is set, per model, provider, source, user, key or class."""

    subject: Subject
    scope: Scope
    filters: Filters
    spans: tuple[Span, ...]
    by: str | None = None
    metric: Metric = "latency"


def ask(connection: Connection, question: Question) -> Sequence[Row]:
    """Return rows of (bucket, key, sums…): of usage every measure, of latency (edge, calls), of errors (class, attempts).

    Groups whose counts cancel out are left out: on Postgres deleted calls wait beside their negatives until they are folded.
    """
    dialect = connection.dialect.name
    whole, less = _restated(connection, question)
    parts = [(one, part) for one in (whole, less) if one for part in plan(one.subject, _needed(one), one.spans)]
    if not parts:
        return ()
    parameters: dict[str, Any] = {}
    selects = []
    for number, (one, part) in enumerate(parts):
        scale = 1 if part.grain else SLOT_MS
        parameters[f"pieces_{number}"] = json.dumps([[s.bucket, s.low * scale, s.high * scale] for s in part.spans])
        selects.append(_select(dialect, one, part, f"pieces_{number}", parameters, taken_off=one is less))
    groups = 3 if _place(question.subject) else 2
    outer = ", ".join(f"sum({name})" for name in _measures(question))
    place = ", place" if groups == 3 else ""
    text = (
        f"SELECT bucket, grouped_by{place}, {outer} FROM ({' UNION ALL '.join(selects)}) AS parts"
        f" GROUP BY {', '.join('123'[:groups])} HAVING sum({_measures(question)[0]}) <> 0"
    )
    return connection.execute(sa.text(text), parameters).all()


def _needed(question: Question) -> frozenset[Dimension] | None:
    return needed_dimensions(question.by, question.scope, question.filters)


def _restated(connection: Connection, question: Question) -> tuple[Question, Question | None]:
    """Return a question that says the same and that rollups can answer, and the one whose answer is to be taken off it.

    Attempts that came through are nearly all there are: everything less what failed is read much faster than they are.
    """
    filters = question.filters
    whole = replace(question, filters=replace(filters, statuses=()))
    needed = _needed(whole)
    if "ok" not in filters.statuses or question.subject == "errors" or needed is None or not family(question.subject, needed):
        return question, None
    others = tuple(status for status in _UNSUCCESSFUL if status not in filters.statuses)
    if question.subject == "latency" or not others:  # only what came through is timed
        return whole, None
    if connection.scalar(sa.select(rollup_state.c.frozen_before)) is not None:  # the log no longer holds all that failed
        return question, None
    return whole, replace(question, filters=replace(filters, statuses=others))


def listed(dialect: str, name: str, values: Sequence[object], parameters: dict[str, Any]) -> str:
    """Return a SELECT of values handed over as one parameter, so that a statement reads the same for any number of them."""
    parameters[name] = json.dumps(list(values))
    if dialect == "postgresql":
        return f"SELECT value FROM jsonb_array_elements_text(CAST(:{name} AS jsonb)) AS given(value)"
    return f"SELECT value FROM json_each(:{name})"


def _measures(question: Question) -> tuple[str, ...]:
    if question.subject == "usage":
        return tuple(name for name, _ in MEASURES)
    return (f"{question.metric}_calls",) if question.subject == "latency" else ("attempts",)


def _place(subject: Subject) -> str | None:
    return {"latency": "bucket", "errors": "error_class"}.get(subject)


def _select(dialect: str, question: Question, part: Part, pieces: str, parameters: dict[str, Any], *, taken_off: bool) -> str:
    log = part.grain is None
    expressions = _log_expressions(dialect, question.metric) if log else {}
    key = COLUMN_OF[question.by] if question.by else None
    columns = {"grouped_by": expressions.get(key, f"t.{key}") if key else "'all'"}
    place = _place(question.subject)
    if place:
        columns["place"] = expressions.get(place, f"t.{place}")
    for name in _measures(question):
        measure = expressions.get(name, f"t.{name}") if not log or question.subject == "usage" else "1"
        columns[name] = f"-({measure})" if taken_off else measure
    picked = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    low, high = ("pieces.low", "pieces.high")
    if log and dialect == "postgresql":
        low, high = f"to_timestamp({low} / 1000.0)", f"to_timestamp({high} / 1000.0)"
    moment = "started_at" if log else "slot"
    where = [f"t.{moment} >= {low}", f"t.{moment} < {high}", *_conditions(dialect, question, log, parameters)]
    if log:
        where += _counted(question)
    elif question.subject == "latency":
        where.append(f"t.{question.metric}_calls <> 0")
    table = "llm_usage_log" if part.grain is None else f"{part.grain.table.name}_now"
    # One person's calls are few, but SQLite would rather walk everybody's of that time.
    hint = " INDEXED BY ix_llm_usage_log_user_id_started_at" if log and _by_person(dialect, question) else ""
    # CROSS JOIN holds SQLite to one seek per piece.
    return f"SELECT pieces.bucket, {picked} FROM {_pieces(dialect, pieces)} CROSS JOIN {table} AS t{hint} WHERE {' AND '.join(where)}"


def _by_person(dialect: str, question: Question) -> bool:
    return dialect == "sqlite" and question.scope.user_id is not None and FAILED not in _counted(question)


def _pieces(dialect: str, name: str) -> str:
    if dialect == "postgresql":
        number = "CAST(value ->> {} AS bigint) AS {}"
        source = f"jsonb_array_elements(CAST(:{name} AS jsonb)) AS given(value)"
    else:
        number, source = "json_extract(value, '$[{}]') AS {}", f"json_each(:{name})"
    columns = ", ".join(number.format(place, column) for place, column in enumerate(("bucket", "low", "high")))
    return f"(SELECT {columns} FROM {source}) AS pieces"


def _log_expressions(dialect: str, metric: Metric) -> Mapping[str, str]:
    """Return what the rollups call by a name as SQL over a row of the log."""
    duration = f"t.{metric}_ms"
    edge = f"SELECT bucket FROM latency_edges WHERE lower_ms <= {duration} ORDER BY lower_ms DESC LIMIT 1"
    user = text_of("t.user_id") if dialect == "sqlite" else "CAST(t.user_id AS text)"
    key = text_of("t.key_scope") if dialect == "sqlite" else "t.key_scope"
    names = {name: text_of(f"t.{name}") for name in _NAMES} if dialect == "sqlite" else {}
    return {
        **dict(MEASURES),
        **names,
        "user_id": f"coalesce({user}, '')",
        "key_scope": f"coalesce({key}, '')",
        "bucket": f"coalesce(({edge}), 0)",
    }


def _counted(question: Question) -> list[str]:
    """Return which rows of the log count for a subject."""
    if question.subject == "latency":
        return ["t.status = 'ok'", f"t.{question.metric}_ms IS NOT NULL"]
    filters = question.filters
    wrong = question.subject == "errors" or filters.error_classes or (filters.statuses and set(_UNSUCCESSFUL).issuperset(filters.statuses))
    failed = [FAILED] if wrong else []  # follows from the other conditions, and names the index of what went wrong
    return ["t.status <> 'open'", *failed, *(["t.error_class IS NOT NULL"] if question.subject == "errors" else [])]


def _conditions(dialect: str, question: Question, log: bool, parameters: dict[str, Any]) -> list[str]:
    filters = question.filters
    wanted: dict[str, Sequence[object]] = {"model_key": filters.models, "provider": filters.providers, "source": filters.sources}
    if log:
        wanted |= {"status": filters.statuses, "error_class": filters.error_classes}
    found = []
    for column, values in wanted.items():
        if values:
            given = listed(dialect, column, values, parameters)
            found.append(f"t.{column} IN ({numbers_of(given) if log and dialect == 'sqlite' and column in _NAMES else given})")
    if filters.keys:
        key = _log_expressions(dialect, question.metric)["key_scope"] if log else "t.key_scope"
        found.append(f"{key} IN ({listed(dialect, 'keys', filters.keys, parameters)})")
    if filters.sample is not None:
        found.append("t.is_sample" if filters.sample else "NOT t.is_sample")
    for name, users in (("scope", () if question.scope.user_id is None else (question.scope.user_id,)), ("users", filters.users)):
        if users:
            found.append(user_condition(dialect, "t", name, users, parameters, log=log))
    return found


def user_condition(dialect: str, table: str, name: str, users: Sequence[str], parameters: dict[str, Any], *, log: bool = True) -> str:
    """Return the condition that a row is of one of these users, "" being nobody; over the log it can use the user's index."""
    given = [user for user in users if user] if log else list(users)
    value = listed(dialect, f"{name}_logged" if log else name, given, parameters)  # one statement may ask both for different lists
    if log:
        value = value.replace("SELECT value", "SELECT CAST(value AS uuid)", 1) if dialect == "postgresql" else numbers_of(value)
    theirs = f"{table}.user_id IN ({value})"
    return f"({theirs} OR {table}.user_id IS NULL)" if log and "" in users else theirs
