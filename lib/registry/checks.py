"""What a provider or model may look like; each refusal is a sentence that names the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from lib.errors import InvalidValue
from lib.registry.values import CAPABILITIES, SAMPLE

Values = dict[str, Any]
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")  # a name, or an IPv6 address without its brackets
_LONGEST_NAME = 200


def model_values(given: Mapping[str, Any]) -> Values:
    """Return the given model fields as table columns; raise InvalidValue for the first that cannot be."""
    return _checked(given, _MODEL_FIELDS, "model")


def provider_values(given: Mapping[str, Any]) -> Values:
    """Return the given provider fields as table columns; raise InvalidValue for the first that cannot be."""
    return _checked(given, _PROVIDER_FIELDS, "provider")


def model_problems(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with model fields, a sentence by field; empty when all of them can be stored."""
    return _problems(given, model_values)


def provider_problems(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with provider fields, a sentence by field; empty when all of them can be stored."""
    return _problems(given, provider_values)


def _problems(given: Mapping[str, Any], check: Callable[[Mapping[str, Any]], Values]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in given.items():
        try:
            check({name: value})
        except InvalidValue as error:
            found[error.field or name] = str(error)
    return found


def base_url_value(value: Any) -> str | None:
    """Return a base URL as it is stored, None for an empty one; raise InvalidValue for what a client must not be sent to."""
    if value is None or value == "":
        return None
    text = _text("base_url", value, longest=500).rstrip("/")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not _HOST.fullmatch(url.raw_host):
        raise InvalidValue(
            "A base URL starts with https:// or http:// and names a host, such as https://api.example.com/v1.", field="base_url"
        )
    if url.userinfo or url.query or url.fragment:
        raise InvalidValue("A base URL holds no password, query or fragment; paste the key on the provider's card.", field="base_url")
    return text


def _checked(given: Mapping[str, Any], fields: Mapping[str, Callable[[str, Any], Any]], what: str) -> Values:
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise InvalidValue(f"A {what} has no field named {unknown[0]}.", field=unknown[0])
    return {name: fields[name](name, value) for name, value in given.items()}


def _text(name: str, value: Any, *, longest: int = _LONGEST_NAME) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidValue(f"{_spoken(name)} must not be empty.", field=name)
    text = value.strip()
    if len(text) > longest or not text.isprintable():
        raise InvalidValue(f"{_spoken(name)} must be one line of at most {longest} characters.", field=name)
    return text


def _optional_text(name: str, value: Any) -> str | None:
    return None if value is None or value == "" else _text(name, value)


def _key(name: str, value: Any) -> str:
    text = _text(name, value)
    if not _KEY.fullmatch(text):
        raise InvalidValue("A model key starts with a letter or digit and goes on with letters, digits and . _ : / @ + -", field=name)
    return text


def _slug(name: str, value: Any) -> str:
    text = _text(name, value)
    if not _SLUG.fullmatch(text):
        raise InvalidValue("A provider's slug is made of lower-case letters, digits and hyphens.", field=name)
    return text


def _model_type(name: str, value: Any) -> str:
    text = _text(name, value)
    if text == SAMPLE:
        raise InvalidValue("Models of sample data are made by loading it; choose another type.", field=name)
    return text


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(f"{_spoken(name)} is either true or false.", field=name)
    return value


def _size(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
        raise InvalidValue(f"{_spoken(name)} is a number of tokens, 1 or more.", field=name)
    return value


def _place(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise InvalidValue(f"{_spoken(name)} is a whole number, 0 or more; the smallest comes first.", field=name)
    return value


def _capabilities(name: str, value: Any) -> dict[str, bool]:
    named = {c: bool(has) for c, has in value.items()} if isinstance(value, Mapping) else dict.fromkeys(_names(name, value), True)
    unknown = sorted(set(named) - set(CAPABILITIES))
    if unknown:
        raise InvalidValue(f"{unknown[0]} is not a capability; there are {', '.join(CAPABILITIES)}.", field=name)
    return {c: True for c in CAPABILITIES if named.get(c)}


def _names(name: str, value: Any) -> list[str]:
    if isinstance(value, str) or not hasattr(value, "__iter__") or not all(isinstance(item, str) for item in value):
        raise InvalidValue(f"{_spoken(name)} is a list of names.", field=name)
    return list(dict.fromkeys(value))


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidValue(f"{_spoken(name)} is a set of named values.", field=name)
    return dict(value)


def _constraints(name: str, value: Any) -> dict[str, Any]:
    limits = _mapping(name, value)
    for parameter, limit in limits.items():
        ends = limit if isinstance(limit, list | tuple) else ()
        if len(ends) != 2 or not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends) or ends[0] > ends[1]:
            raise InvalidValue(f"The constraint on {parameter} is a pair of numbers, the least and the greatest.", field=name)
    return {parameter: list(limit) for parameter, limit in limits.items()}


def _spoken(name: str) -> str:
    return name.replace("_", " ").replace(" url", " URL").replace(" id", " id").capitalize()


_MODEL_FIELDS: Mapping[str, Callable[[str, Any], Any]] = {
    "model_key": _key,
    "upstream_id": _text,
    "vendor": _optional_text,
    "priced_as": _optional_text,
    "display_name": _text,
    "model_type": _model_type,
    "capabilities": _capabilities,
    "context_window": _size,
    "max_output_tokens": _size,
    "defaults": _mapping,
    "constraints": _constraints,
    "settings": _mapping,
    "fallbacks": _names,
    "is_active": _flag,
    "is_available": _flag,
    "hidden": _flag,
    "display_order": _place,
}
_PROVIDER_FIELDS: Mapping[str, Callable[[str, Any], Any]] = {
    "slug": _slug,
    "display_name": _text,
    "base_url": lambda _name, value: base_url_value(value),
    "settings": _mapping,
    "is_active": _flag,
}
