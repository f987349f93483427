"""A refresh takes over what a provider says and nothing that a person decided; what it is unsure of waits for one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.credentials import KeyStatus
from lib.pricing import Price
from lib.pricing.catalogue import CataloguePrice
from lib.providers import ModelInfo
from lib.registry import Model, Provider
from lib.registry.checks import model_values
from lib.registry.discovery import DiscoveryPlan, PlannedModel, plan, references
from lib.registry.discovery_types import type_by_name

PRICE = Price(input=Decimal(3), output=Decimal(15), source="catalogue")


def provider(kind: str = "openai-compatible", slug: str | None = None) -> Provider:
    return Provider(7, slug or kind, kind, kind.title(), "http://127.0.0.1:9/v1", None, {}, True, None, 1, KeyStatus("none needed"))


def model(upstream_id: str, number: int = 1, *, at: Provider | None = None, **values: Any) -> Model:
    usual: dict[str, Any] = {
        **{"model_key": upstream_id, "vendor": None, "priced_as": None, "display_name": upstream_id, "model_type": "chat"},
        **{"capabilities": frozenset({"streaming"}), "context_window": None, "max_output_tokens": None, "defaults": {}, "constraints": {}},
        **{"settings": {}, "fallbacks": (), "is_active": False, "is_available": True, "hidden": False, "is_default": False},
        **{"display_order": 10, "owner_id": None, "version": 4, "price": PRICE},
    }
    return Model(id=number, provider=at or provider(), upstream_id=upstream_id, **(usual | values))


def made(
    listed: list[ModelInfo],
    models: list[Model],
    *,
    at: Provider | None = None,
    seen: set[int] | None = None,
    taken: tuple[str, ...] = (),
    known: dict[str, CataloguePrice] | None = None,
) -> DiscoveryPlan:
    everywhere = {m.id for m in models} if seen is None else seen
    return plan(at or provider(), listed, models, seen=everywhere, taken={*taken, *(m.model_key for m in models)}, known=known or {})


def only(found: DiscoveryPlan) -> PlannedModel:
    (row,) = found.rows
    return row


def fields(row: PlannedModel) -> dict[str, tuple[Any, Any]]:
    return {change.field: (change.before, change.after) for change in row.fields}


def test_new_models_come_switched_off_with_what_the_list_and_the_catalogue_tell() -> None:
    at = provider("anthropic")
    info = ModelInfo("claude-x", "Claude X", None, 64_000, {"vision": True, "json": False})
    assert references(at, [info], []) == {"anthropic/claude-x"}
    later = replace(PRICE, input=Decimal(4), valid_from=None)
    row = only(made([info], [], at=at, known={"anthropic/claude-x": CataloguePrice("anthropic/claude-x", PRICE, (later,), 200_000)}))
    assert (row.action, row.model_key, row.name, row.prices) == ("added", "claude-x", "Claude X", (PRICE, later))
    assert row.values["vendor"] == "Anthropic"
    assert row.values["context_window"] == 200_000
    assert set(row.values["capabilities"]) == {"streaming", "tools", "caching", "vision"}
    assert not {"is_active", "hidden", "is_default"} & set(row.values), "what an admin decides is left at its default: off"


def test_a_model_like_a_built_in_one_can_do_what_that_can() -> None:
    known = {"openai/gpt-4o-2024-11-20": CataloguePrice("openai/gpt-4o", PRICE, (), 128_000)}
    row = only(made([ModelInfo("gpt-4o-2024-11-20")], [], at=provider("openai"), known=known))
    assert {"vision", "files", "caching"} <= set(row.values["capabilities"])


def test_keys_of_new_models_are_free_and_can_be_stored() -> None:
    listed = [ModelInfo("gpt-4o"), ModelInfo("~odd name/(x)"), ModelInfo("28", "Claude 3.7 Sonnet"), ModelInfo("29")]
    found = made(listed, [], at=provider("matchaai"), taken=("gpt-4o", "claude-3-7-sonnet"))
    keys = {row.upstream_id: row.model_key for row in found.rows}
    assert keys == {
        "gpt-4o": "matchaai-gpt-4o",
        "~odd name/(x)": "odd-name/-x-",
        "28": "matchaai-claude-3-7-sonnet",
        "29": "matchaai-29",  # a key that is a number would be taken for an id
    }


def test_a_gateways_numbered_models_are_priced_by_their_makers_names() -> None:
    at = provider("matchaai")
    info = ModelInfo("71", "Claude Sonnet 4.5", vendor="anthropic")
    assert references(at, [info], []) == {"anthropic/claude-sonnet-4-5"}
    assert only(made([info], [], at=at)).values["priced_as"] is None, "a guess that the catalogue does not know is none"
    known = {"anthropic/claude-sonnet-4-5": CataloguePrice("anthropic/claude-sonnet-4-5", PRICE)}
    assert only(made([info], [], at=at, known=known)).prices == (PRICE,)


def test_what_a_provider_changes_is_taken_over_and_what_a_person_typed_is_not() -> None:
    listed_before = {"display_name": "Old name", "context_window": 8_000, "max_output_tokens": 2_000, "capabilities": {"tools": False}}
    untouched = model(
        "a",
        display_name="Old name",
        context_window=8_000,
        max_output_tokens=2_000,
        settings={"listed": listed_before, "note": "ours"},
        constraints={"max_tokens": [1, 2_000], "temperature": [0, 1]},
        is_active=True,
        hidden=True,
    )
    info = ModelInfo("a", "New name", 16_000, 4_000, {"tools": True})
    row = only(made([info], [untouched]))
    assert fields(row) == {
        "display_name": ("Old name", "New name"),
        "context_window": (8_000, 16_000),
        "max_output_tokens": (2_000, 4_000),
        "capabilities": (frozenset({"streaming"}), frozenset({"streaming", "tools"})),
    }
    assert row.values["constraints"] == {"max_tokens": [1, 4_000], "temperature": [0, 1]}
    assert row.values["settings"]["note"] == "ours"
    assert row.values["settings"]["listed"]["context_window"] == 16_000
    assert (row.model_id, row.version) == (1, 4)
    assert not {"is_active", "hidden", "is_default", "display_order", "model_key"} & set(row.values)
    typed = replace(
        untouched,
        display_name="Ours",
        context_window=4_000,
        max_output_tokens=1_000,
        capabilities=frozenset({"streaming", "tools", "json"}),
    )
    assert made([replace(info, capabilities={"tools": False})], [typed]).rows == ()


def test_without_a_memory_only_blanks_and_what_we_made_up_are_filled() -> None:
    typed = model("a", display_name="Named", context_window=5_000, capabilities=frozenset({"tools"}))
    assert made([ModelInfo("a", "Listed", 9_000, None, {"vision": True, "tools": False})], [typed]).rows == ()
    blank = model("a")
    assert set(fields(only(made([ModelInfo("a", "Listed", 9_000, 100, {"vision": True})], [blank])))) == {
        *("display_name", "context_window", "max_output_tokens", "capabilities")
    }
    from_catalogue = model("a", at=provider("openai"), context_window=128_000, display_name="A")
    known = {"openai/a": CataloguePrice("openai/a", PRICE, (), 128_000)}
    info = ModelInfo("a", None, 130_000)
    assert references(provider("openai"), [info], [from_catalogue]) == {"openai/a"}
    assert fields(only(made([info], [from_catalogue], at=provider("openai"), known=known))) == {"context_window": (128_000, 130_000)}


def test_a_second_look_at_the_same_list_has_nothing_to_say() -> None:
    info = ModelInfo("a", "A", 9_000, 100, {"vision": True, "tools": False})
    values = only(made([info], [])).values
    stored = model(**{"upstream_id": "a", **values, "capabilities": frozenset(values["capabilities"])})
    found = made([info], [stored])
    assert (found.rows, found.first_seen, found.doubt) == ((), (), None)


def test_an_unpriced_model_gets_the_catalogues_price_and_any_other_keeps_its_own() -> None:
    known = {"openai/a": CataloguePrice("openai/a", PRICE)}
    at = provider("openai")
    row = only(made([ModelInfo("a")], [model("a", at=at, price=None)], at=at, known=known))
    assert fields(row) == {"price": (None, PRICE)}
    assert row.values == {"priced_as": "openai/a"}
    assert row.prices == (PRICE,)
    manual = Price(input=Decimal(1), output=Decimal(2), source="manual")
    assert made([ModelInfo("a")], [model("a", at=at, price=manual)], at=at, known=known).rows == ()


def test_what_is_gone_becomes_unavailable_and_comes_back_when_listed_again() -> None:
    gone = only(made([ModelInfo("b")], [model("a"), model("b", 2)]))
    assert (gone.action, gone.values, gone.sure) == ("gone", {"is_available": False}, True)
    assert made([ModelInfo("b")], [model("a", is_available=False), model("b", 2)]).rows == ()
    back = only(made([ModelInfo("a")], [model("a", is_available=False, is_active=True)]))
    assert (back.action, back.values["is_available"]) == ("back", True)


def test_a_model_in_use_that_was_never_listed_is_not_switched_away_without_a_person() -> None:
    found = made([ModelInfo("b")], [model("preview", is_active=True), model("b", 2), model("old", 3)], seen={2})
    assert {row.upstream_id: row.sure for row in found.of("gone")} == {"preview": False, "old": True}
    assert made([ModelInfo("b")], [model("b", 2)], seen=set()).first_seen == (2,)


@pytest.mark.parametrize(
    ("kind", "here", "listed"),
    [
        ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("anthropic", "claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
        ("mistral", "mistral-large-latest", "mistral-large-2411"),
        ("google", "models/gemini-3.8-flash", "gemini-3.8-flash"),
        ("ollama", "llama3.1", "llama3.1:latest"),
        ("huggingface", "org/model:together", "org/model"),
    ],
)
def test_other_names_of_a_listed_model_are_not_taken_for_gone(kind: str, here: str, listed: str) -> None:
    at = provider(kind)
    assert made([ModelInfo(listed)], [model(here, at=at)], at=at).of("gone") == ()


def test_what_cannot_chat_is_left_out_and_counted_by_type() -> None:
    listed = [
        *(
            ModelInfo(name)
            for name in ("gpt-4o", "text-embedding-3-small", "dall-e-3", "gpt-image-1", "whisper-1", "sora-2", "gpt-realtime")
        ),
        *(ModelInfo("typed", model_type="rerank"), ModelInfo("openai/*"), ModelInfo("x" * 201), ModelInfo("two\nlines")),
    ]
    found = made(listed, [])
    assert [row.upstream_id for row in found.rows] == ["gpt-4o"]
    assert found.left_out == {"embedding": 1, "image": 2, "audio": 1, "video": 1, "realtime": 1, "rerank": 1, "unusable": 3}
    assert made(listed, [model("whisper-1")]).of("gone") == (), "what somebody added all the same is still there"


@pytest.mark.parametrize(
    "name",
    [
        *("gpt-4o", "o3", "chatgpt-4o-latest", "gpt-4o-search-preview", "claude-opus-5-5", "gemini-3.8-flash", "deepseek-reasoner"),
        *("qwen/qwen3-32b", "mistral-large-4-0", "llama-3.3-70b-versatile", "microsoft/wizardlm-2", "olive-7b", "adamant-1", "evoliveo"),
    ],
)
def test_names_of_chat_models_are_not_taken_for_others(name: str) -> None:
    assert type_by_name(name) == "chat"


def test_an_answer_that_looks_wrong_asks_for_a_person() -> None:
    models = [model(f"m{n}", n) for n in range(1, 6)]
    assert made([], models).doubt == "Openai-Compatible lists no models at all, and 5 are here."
    assert made([ModelInfo("m1"), ModelInfo("m2")], models).doubt == "Openai-Compatible lists only 2 of the 5 models it listed before."
    assert made([ModelInfo(f"m{n}") for n in (1, 2, 3)], models).doubt is None
    assert made([ModelInfo("new")], models, seen=set()).doubt is None, "a first look has nothing to compare with"
    assert made([], []).doubt is None


TEXTS = st.text(max_size=30)
INFOS = st.builds(
    ModelInfo,
    st.text(min_size=1, max_size=210),
    st.none() | TEXTS,
    st.none() | st.integers(1, 2**53),
    st.none() | st.integers(1, 2**53),
    st.dictionaries(st.sampled_from(["tools", "vision", "json"]), st.booleans()),
    st.none() | TEXTS,
)


@given(st.lists(INFOS, max_size=8), st.sampled_from(["openai", "matchaai", "ollama", "huggingface", "openai-compatible"]))
def test_whatever_is_listed_every_planned_row_can_be_stored_under_a_key_of_its_own(listed: list[ModelInfo], kind: str) -> None:
    found = made(listed, [], at=provider(kind), taken=("taken",))
    keys = [row.model_key for row in found.rows]
    assert len({*keys, "taken"}) == len(keys) + 1
    for row in found.rows:
        model_values(row.values)
    again = [model(**{"upstream_id": r.upstream_id, **r.values, "capabilities": frozenset(r.values["capabilities"])}) for r in found.rows]
    numbered = [replace(m, id=n) for n, m in enumerate(again)]
    assert made(listed, numbered, at=provider(kind)).rows == (), "what was just taken over is not new again"
