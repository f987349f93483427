"""JSON as providers send it: parsed fast, and read without trusting its shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

_LARGEST = 2**53


def parse(data: bytes) -> Any:
    """Return a JSON document; raise ValueError when it is none.

    Invalid UTF-8 and halves of surrogate pairs become U+FFFD, so that every string can be stored.
    """
    try:
        return from_json(data)
    except ValueError:
        try:
            return _storable(json.loads(data.decode("utf-8", "replace")))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def mapping(value: Any) -> Mapping[str, Any]:
    """Return the value when it is a JSON object, an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return the value when it is a JSON array, an empty one otherwise."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return the value when it is a string, an empty one otherwise."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int:
    """Return a number of tokens; anything that cannot be one counts as 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LARGEST:
        return 0
    return int(value)


def arguments(value: Any) -> Mapping[str, Any] | str:
    """Return a tool call's arguments: a mapping, or the raw text when it is no JSON object."""
    if isinstance(value, dict):
        return value
    raw = text(value)
    if not raw.strip():
        return {}
    try:
        parsed = parse(raw.encode("utf-8", "surrogatepass"))
    except ValueError:
        return raw
    return parsed if isinstance(parsed, dict) else raw


def with_extra(body: Mapping[str, Any], extra: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
    """Return a body with a request's extra fields: None takes a field out, an object at ``inside`` goes in field by field."""
    merged = {**body, **extra}
    if inside in extra and isinstance(extra[inside], Mapping):
        merged[inside] = with_extra(mapping(body.get(inside)), extra[inside])
    return {name: value for name, value in merged.items() if not (value is None and name in extra)}


def written(value: Any) -> str:
    """Return a value as JSON in one line."""
    return json.dumps(value, ensure_ascii=False)


def schema(wanted: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the schema of an answer's wanted format, bare or in OpenAI's wrapping; None when it is just JSON or text."""
    if wanted is None or isinstance(wanted, str) or wanted.get("type") in ("json_object", "text"):
        return None
    inner = wanted.get("json_schema")
    if wanted.get("type") == "json_schema" and isinstance(inner, Mapping):
        bare = inner.get("schema", inner)
        return dict(bare) if isinstance(bare, Mapping) else None
    return dict(wanted)


def wants_json(wanted: str | Mapping[str, Any] | None) -> bool:
    """Whether an answer's wanted format is JSON, with a schema or without."""
    return wanted is not None and wanted != "text" and not (isinstance(wanted, Mapping) and wanted.get("type") == "text")


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value
