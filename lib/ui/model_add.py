"""Adding a model: from a template, tried with exactly what was typed, then saved with its provider and key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from lib.errors import InvalidValue, ModeldeckError
from lib.money import format_usd
from lib.providers.catalog import KINDS
from lib.registry import DraftModel, Provider
from lib.registry.templates import TEMPLATES, Template
from lib.services import TestResult
from lib.services.model_desk import ModelDesk
from lib.services.profile import ProfileDesk
from lib.ui import format as fmt
from lib.ui import model_fields
from lib.ui.context import Page

_NEW = ""
_TESTED = "model-add-tested"


def dialog(page: Page, providers: Sequence[Provider], *, own: bool = False) -> None:
    """Open the dialog that adds a model for everyone, or with ``own`` for the reader alone."""

    @st.dialog("Add a model of your own" if own else "Add a model", position="right", width="medium", icon=":material/add:")
    def draw() -> None:
        form(page, providers, own=own)

    st.session_state.pop(_TESTED, None)
    draw()


def form(page: Page, providers: Sequence[Provider], *, own: bool = False) -> None:
    """Draw what there is to choose and to type, and do what its buttons say."""
    place = st.selectbox(
        "Template", range(len(TEMPLATES)), format_func=lambda n: TEMPLATES[n].name, index=len(TEMPLATES) - 1, key="add-template"
    )
    template = TEMPLATES[place]
    provider = _provider(template, place, [p for p in providers if p.kind == template.kind and _fits(p, own)])
    if template.note:
        st.caption(template.note)
    key = f"add-{place}-{provider.id if provider else 0}"
    fields, problems = model_fields.Fields(), dict[str, str]()
    with st.form(f"form-{key}", border=False, enter_to_submit=False):
        typed = _where(fields, template, provider, key, own)
        names = model_fields.names(fields, display_name=template.display_name, upstream_id=template.upstream_id, key=key)
        with st.expander("Limits, capabilities and price"):
            own_key = st.text_input(
                "Key", placeholder="Made from the upstream id", key=f"{key}-key", help="What programs call the model by."
            )
            fields.beside("model_key")
            can = model_fields.capabilities(fields, has=sorted(template.capabilities), key=key)
            sizes = model_fields.limits(
                fields, context_window=template.context_window, max_output_tokens=template.max_output_tokens, key=key
            )
            rates = model_fields.rates(fields, key=key)
        on = st.toggle("Switch it on at once", value=True, key=f"{key}-on")
        with st.container(horizontal=True):
            tested = st.form_submit_button("Test connection", icon=":material/bolt:")
            saved = st.form_submit_button("Save", type="primary", icon=":material/check:")
    if not (tested or saved):
        return
    price = model_fields.price_of(*rates, problems)
    display_name = names["display_name"].strip() or names["upstream_id"]
    values: dict[str, Any] = {"display_name": display_name, "capabilities": can, **sizes, "is_active": on}
    if own_key and own_key.strip():
        values["model_key"] = own_key.strip()
    draft = DraftModel(
        slug=typed["slug"] or (ProfileDesk(page.services, page.principal).free_slug(typed["provider_name"]) if own else ""),
        kind=template.kind,
        upstream_id=names["upstream_id"],
        values={name: value for name, value in values.items() if value is not None},
        provider=provider,
        provider_name=typed["provider_name"],
        base_url=typed["base_url"],
        settings=typed["settings"],
        price=price,
        owner_id=page.principal.user_id if own else None,
    )
    if own and provider is None and not typed["provider_name"].strip():
        problems["provider_name"] = "Give it a name of your own, such as My server."
    if found := draft.problems() | problems:
        fields.tell(found)
        return
    try:
        _test(page, draft, typed["api_key"]) if tested else _save(page, draft, typed["api_key"], only=typed["only"])
    except InvalidValue as error:
        fields.tell({error.field or "": str(error)})
    except ModeldeckError as error:
        fields.tell({"api_key": str(error)})


def _fits(provider: Provider, own: bool) -> bool:
    """Whether a model may be added at a provider: everyone's at everyone's, one's own also at a provider of one's own."""
    return (provider.owner_id is not None or provider.unreachable is None) if own else provider.owner_id is None


def _provider(template: Template, place: int, known: Sequence[Provider]) -> Provider | None:
    """Draw which provider the model belongs to; None means a new one."""
    slugs = {p.slug: p for p in known}
    options = [*slugs, _NEW]
    chosen = st.selectbox(
        "Provider",
        options,
        index=len(options) - 1 if template.own else 0,
        format_func=lambda slug: _named(slugs[slug]) if slug in slugs else f"A new {KINDS[template.kind].label} provider",
        key=f"add-provider-{place}",
    )
    return slugs.get(chosen or _NEW)


def _named(provider: Provider) -> str:
    return f"{provider.display_name} (yours)" if provider.owner_id is not None else provider.display_name


def _own_name(template: Template) -> str:
    if template.kind == "openai-compatible":
        return template.name if template.base_url else ""
    return f"{KINDS[template.kind].label} 2"


def _where(fields: model_fields.Fields, template: Template, provider: Provider | None, key: str, own: bool) -> dict[str, Any]:
    """Draw what the provider still lacks, or all of it for a new one."""
    kind = KINDS[template.kind]
    typed: dict[str, Any] = {"slug": "", "provider_name": "", "base_url": None, "settings": {}, "api_key": "", "only": False}
    if provider is None:
        with st.container(horizontal=True):
            typed["provider_name"] = st.text_input("Provider name", value=_own_name(template), key=f"{key}-pname")
            if not own:
                typed["slug"] = st.text_input(
                    "Slug", value=template.slug, key=f"{key}-slug", help="Its short name in addresses and the command line."
                )
        fields.beside("provider_name", "slug")
    if provider is None or provider.base_url is None:
        url = st.text_input(
            "Base URL",
            value=template.base_url or ("" if template.own else kind.base_url or ""),
            placeholder="https://host/v1",
            key=f"{key}-url",
        )
        fields.beside("base_url")
        typed["base_url"] = (url or "").strip() or None
    theirs = own and provider is not None and provider.owner_id is None
    for name, label in () if theirs else kind.asks.items():
        before = str(provider.settings.get(name, "")) if provider else ""
        typed["settings"][name] = (st.text_input(label, value=before, key=f"{key}-{name}") or "").strip()
    if theirs and provider is not None:
        typed["settings"] = {}
    typed |= _key(provider, template, key, own)
    fields.beside("api_key")
    return typed


def _key(provider: Provider | None, template: Template, key: str, own: bool) -> dict[str, Any]:
    """Draw the key a model's calls would go with, or where to type one."""
    stored = None if provider is None else provider.key_of_own if own else provider.key
    shared = own and provider is not None and provider.owner_id is None
    has = stored is not None and stored.ready and stored.source != "none needed"
    if has and stored is not None and provider is not None and stored.preview:
        st.caption(f"Uses {'your' if own else 'the'} {fmt.literal(provider.display_name)} key `{stored.preview}`.")
    if has and not shared:
        return {"api_key": ""}
    needed = KINDS[template.kind].needs_key and not has
    label = "API key" if needed else "API key (only if your server asks for one)"
    typed = st.text_input(
        "Another API key, for this model alone" if has else label,
        type="password",
        autocomplete="new-password",
        key=f"{key}-secret",
        help="Stored encrypted when you save. It is never shown again, only its first and last characters.",
    )
    only = has
    if shared and not has and provider is not None:
        only = st.checkbox(
            "Use this key for this model alone",
            key=f"{key}-only",
            help=f"Otherwise it becomes your {provider.display_name} key, and everyone's models there are called with it too when you do.",
        )
    return {"api_key": typed or "", "only": only}


def _test(page: Page, draft: DraftModel, api_key: str) -> None:
    with st.spinner(f"Asking {draft.target.display_name} for a few words…"):
        result = ModelDesk(page.services, page.principal, own=draft.owner_id is not None).test(draft, api_key)
    st.session_state[_TESTED] = _mark(draft, api_key) if result.ok else None
    tell(result)


def tell(result: TestResult) -> None:
    """Say how a test went: its status, time, first words, tokens and cost, or what to do."""
    if not result.ok:
        status = f" (HTTP {result.error.status})" if result.error is not None and result.error.status else ""
        show, icon = (st.warning, ":material/hourglass_top:") if result.reachable else (st.error, ":material/error:")
        show(fmt.literal(result.sentence) + status, icon=icon)
        return
    cost = format_usd(result.cost_nano_usd).replace("$", "\\$") if result.cost_nano_usd is not None else "unpriced"
    parts = ["It works", fmt.duration(result.latency_ms)]
    if result.usage is not None:
        parts.append(f"{result.usage.input:,} in · {result.usage.output:,} out")
    st.success(" · ".join([*parts, cost]), icon=":material/check_circle:")
    if result.text:
        st.caption(f"It answered: {fmt.literal(result.text[:120])}")


def _save(page: Page, draft: DraftModel, api_key: str, *, only: bool) -> None:
    tested = st.session_state.get(_TESTED) == _mark(draft, api_key)
    model = ModelDesk(page.services, page.principal, own=draft.owner_id is not None).add(draft, api_key, tested=tested, only=only)
    st.toast(f"{model.display_name} was added.", icon=":material/check:")
    st.rerun()


def _mark(draft: DraftModel, api_key: str) -> int:
    """Return what tells one thing tested from another, without keeping the key."""
    return hash((draft.kind, draft.target.base_url, draft.upstream_id, api_key))
