"""The fields of a model as a form: what is typed, what it means, and each refusal beside its field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib.pricing import Price
from lib.registry import Model
from lib.ui import format as fmt
from lib.ui.capabilities import CAPABILITIES
from lib.ui.picker import label as full_name

_LINE = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*[=:]\s*(.+?)\s*")
_PAIR = re.compile(r"(-?[\d.]+)\s*(?:to|-|–|,|\.\.)\s*(-?[\d.]+)")
_LABELS = {c.name: c.label for c in CAPABILITIES}


class Fields:
    """Places beside the fields of a form, in which a refusal is told once the form was sent."""

    def __init__(self) -> None:
        self._places: dict[str, DeltaGenerator] = {}

    def beside(self, *names: str) -> None:
        """Keep a place, right here, for what is wrong with these fields."""
        place = st.empty()
        for name in names:
            self._places[name] = place

    def tell(self, problems: Mapping[str, str]) -> None:
        """Write each sentence beside its field; those about no field drawn here come out below."""
        for name, sentence in problems.items():
            place = self._places.get(name)
            (place or st).error(fmt.literal(sentence), icon=":material/error:")


def names(fields: Fields, *, display_name: str, upstream_id: str, key: str) -> dict[str, Any]:
    """Draw what a model is called, here and at its provider."""
    shown = st.text_input("Display name", value=display_name, key=f"{key}-name")
    fields.beside("display_name")
    upstream = st.text_input(
        "Upstream id", value=upstream_id, key=f"{key}-upstream", help="What is sent to the provider: its own name or number for the model."
    )
    fields.beside("upstream_id")
    return {"display_name": shown or "", "upstream_id": upstream or ""}


def limits(fields: Fields, *, context_window: int | None, max_output_tokens: int | None, key: str) -> dict[str, Any]:
    """Draw how much a model takes and gives."""
    with st.container(horizontal=True):
        context = st.number_input("Context window, tokens", value=context_window, step=1000, placeholder="Not known", key=f"{key}-context")
        most = st.number_input("Max output, tokens", value=max_output_tokens, step=256, placeholder="Not known", key=f"{key}-most")
    fields.beside("context_window", "max_output_tokens")
    return {"context_window": context, "max_output_tokens": most}


def capabilities(fields: Fields, *, has: Sequence[str], key: str) -> list[str]:
    """Draw what a model can do."""
    chosen: list[str] = st.multiselect(
        "Capabilities", list(_LABELS), default=[c for c in _LABELS if c in has], format_func=_LABELS.__getitem__, key=f"{key}-can"
    )
    fields.beside("capabilities")
    return chosen


def parameters(fields: Fields, *, defaults: Mapping[str, Any], constraints: Mapping[str, Any], key: str) -> tuple[str, str]:
    """Draw defaults and constraints of parameters, one a line, and return their texts."""
    with st.container(horizontal=True):
        usual = st.text_area(
            "Defaults", value=written(defaults), placeholder="temperature = 0.7", height=100, key=f"{key}-defaults", help="One a line."
        )
        bounds = st.text_area(
            "Constraints",
            value=written_bounds(constraints),
            placeholder="temperature = 0 to 2",
            height=100,
            key=f"{key}-constraints",
            help="The least and the greatest value of a parameter, one a line. The same number twice fixes it.",
        )
    fields.beside("defaults", "constraints")
    return usual or "", bounds or ""


def fallbacks(fields: Fields, *, models: Sequence[Model], chosen: Sequence[str], but: str, key: str) -> list[str]:
    """Draw the models tried in this one's place, in the order they are chosen; only usable ones are offered anew."""
    by_key = {model.model_key: model for model in models}
    offered = [m.model_key for m in models if m.usable and m.model_key != but]
    options = [*chosen, *(name for name in offered if name not in chosen)]
    picked: list[str] = st.multiselect(
        "Fallbacks, in order",
        options,
        default=list(chosen),
        format_func=lambda name: full_name(by_key[name]) if name in by_key else f"{name} (gone)",
        placeholder="No other model steps in",
        key=f"{key}-fallbacks",
        help="Tried one after another when this model fails before its first word. The order is the one you choose them in.",
    )
    fields.beside("fallbacks")
    return picked


def rates(fields: Fields, *, key: str, placeholder: str = "From the catalogue") -> tuple[str, str]:
    """Draw a price as texts, so that no digit is lost."""
    with st.container(horizontal=True):
        read = st.text_input("In, $ per 1M tokens", placeholder=placeholder, key=f"{key}-in")
        write = st.text_input("Out, $ per 1M tokens", placeholder=placeholder, key=f"{key}-out")
    fields.beside("input", "output")
    return (read or "").strip(), (write or "").strip()


def price_of(read: str, write: str, problems: dict[str, str]) -> Price | None:
    """Return the price typed, None when both fields are empty; what is no number is added to the problems."""
    found: dict[str, Decimal] = {}
    for name, text in (("input", read), ("output", write)):
        try:
            if text:
                found[name] = Decimal(text.removeprefix("$"))
            if name in found and not (found[name].is_finite() and 0 <= found[name] <= 1_000_000):
                raise InvalidOperation
        except InvalidOperation:
            problems[name] = f"{text} is not a price: write US dollars per 1M tokens, such as 0.15."
    return Price(input=found.get("input"), output=found.get("output"), source="manual") if found and not problems else None


def typed(usual: str, bounds: str, problems: dict[str, str]) -> dict[str, Any]:
    """Return what the texts of defaults and constraints mean; each line that means nothing is added to the problems."""
    defaults: dict[str, Any] = {}
    constraints: dict[str, Any] = {}
    for text, name, into in ((usual, "defaults", defaults), (bounds, "constraints", constraints)):
        for line in filter(str.strip, text.splitlines()):
            match = _LINE.fullmatch(line)
            pair = _PAIR.fullmatch(match[2]) if match else None
            if match is None or (name == "constraints" and pair is None):
                example = "temperature = 0.7" if name == "defaults" else "temperature = 0 to 2"
                problems[name] = f"{line.strip()[:80]} is not understood; write a line such as {example}."
            elif pair is not None and name == "constraints":
                try:
                    into[match[1]] = [_number(pair[1]), _number(pair[2])]
                except ValueError:
                    problems[name] = f"{line.strip()[:80]} does not name two numbers."
            else:
                into[match[1]] = _value(match[2])
    for parameter, value in defaults.items():
        low, high = constraints.get(parameter, (None, None))
        if low is not None and isinstance(value, int | float) and not low <= value <= high:
            problems.setdefault("defaults", f"The default of {parameter} is outside its constraint, {low:g} to {high:g}.")
    return {"defaults": defaults, "constraints": constraints}


def written(values: Mapping[str, Any]) -> str:
    """Write parameters one a line.

    >>> written({"temperature": 0.7, "stop": ["a"]})
    'temperature = 0.7\\nstop = ["a"]'
    """
    return "\n".join(f"{name} = {value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items())


def written_bounds(values: Mapping[str, Any]) -> str:
    """Write constraints one a line.

    >>> written_bounds({"temperature": [0, 2], "max_tokens": [1, 32_768]})
    'temperature = 0 to 2\\nmax_tokens = 1 to 32768'
    """
    return "\n".join(f"{name} = {json.dumps(low)} to {json.dumps(high)}" for name, (low, high) in values.items())


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
