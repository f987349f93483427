"""From what a person asks to what the router carries: parameters checked, model, key and address put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from lib.access import Principal
from lib.chat import Message, Request, Tool
from lib.credentials import KeyRing
from lib.errors import CredentialError, InvalidValue, ModelError
from lib.providers import default_endpoint
from lib.registry import Model, Provider, Registry
from lib.routing import Candidate, RoutedCall, Skip
from lib.routing.values import AddressedBy
from lib.usage import Alias, KeyScope, Source, own_key

_BOUNDED = {"temperature": "Temperature", "top_p": "Top-p"}


@dataclass(frozen=True, slots=True)
class ChatCall:
    """What a person or program asks: ``model`` is an id, key or name, None for the default one."""

    messages: Sequence[Message]
    model: str | int | None = None
    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    tools: Sequence[Tool] = ()
    tool_choice: str | None = None
    response_format: str | Mapping[str, Any] | None = None
    reasoning_effort: str | None = None
    stop: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    source: Source = "playground"
    conversation_id: str | None = None
    message_id: str | None = None
    api_token_id: int | None = None


def check_call(model: Model, call: ChatCall) -> None:
    """Refuse, with a sentence, what the model's constraints do not allow."""
    if not call.messages:
        raise InvalidValue("Write a message first.", field="messages")
    for name, label in _BOUNDED.items():
        value, bounds = getattr(call, name), model.constraints.get(name)
        if value is None or bounds is None:
            continue
        low, high = bounds
        if low == high != value:
            raise InvalidValue(f"{label} is fixed at {low:g} for {model.display_name}; leave it unset.", field=name)
        if not low <= value <= high:
            raise InvalidValue(f"{label} must be from {low:g} to {high:g} for {model.display_name}, not {value:g}.", field=name)
    most = model.max_output_tokens
    if call.max_tokens is not None and not (1 <= call.max_tokens and (most is None or call.max_tokens <= most)):
        allowed = f"from 1 to {most:,}" if most is not None else "1 or more"
        raise InvalidValue(f"Max tokens must be {allowed} for {model.display_name}, not {call.max_tokens:,}.", field="max_tokens")


def candidate_of(model: Model, api_key: SecretStr | None, scope: KeyScope | None, *, base_url: str | None = None, why: str) -> Candidate:
    """Return a model as the router calls it; ``base_url`` stands in for the provider's own."""
    provider = model.provider
    return Candidate(
        model_key=model.model_key,
        model_name=model.display_name,
        upstream_id=model.upstream_id,
        kind=provider.kind,
        provider=provider.slug,
        provider_name=provider.display_name,
        endpoint=default_endpoint(provider.kind),
        model_id=model.id,
        provider_id=provider.id,
        base_url=base_url or provider.base_url,
        api_key=api_key,
        key_scope=scope,
        price=model.price,
        options=options_of(provider, model.max_output_tokens),
        why=why,
        addressed_by=addressed_by(provider, base_url),
        alias=alias_of(provider, model.id) if model.is_own else None,
    )


def alias_of(provider: Provider, model_id: int | None) -> Alias:
    """Return the names that the log has for somebody's own model at a provider; others read how much was used, not what."""
    own = provider.owner_id is not None
    at = (own_key(provider.id), "Private provider") if own else (provider.slug, provider.display_name)
    return Alias(own_key(model_id), "Private model", *at)


def fallbacks(
    registry: Registry, keys: KeyRing, principal: Principal, model: Model, call: ChatCall
) -> tuple[tuple[Candidate, ...], tuple[Skip, ...]]:
    """Return who may serve a call in a model's place, in the order an admin gave, and those who cannot at the moment.

    Only the model's own fallbacks count, not theirs in turn; itself and repetitions are left out. A person's own models
    stand in for their own alone: what an admin named for everyone's means everyone's.
    """
    found: list[Candidate] = []
    unusable: list[Skip] = []
    seen = {model.model_key}
    for key_name in model.fallbacks:
        if key_name in seen:
            continue
        seen.add(key_name)
        provider, name, why_not = "", key_name, ""
        try:
            other = registry.get(key_name, own=model.is_own)
            provider, name = "" if other.is_own else other.provider.slug, other.display_name
            if other.id == model.id or other.model_key in seen - {key_name}:
                continue
            seen.add(other.model_key)
            if other.why_not is None:
                check_call(other, call)
                key = keys.resolve(other.provider, other, principal.user_id)
                found.append(candidate_of(other, key.api_key, key.scope, why=f"fallback of {model.model_key}"))
                continue
            why_not = other.why_not
        except (ModelError, CredentialError, InvalidValue) as error:
            why_not = str(error)
        unusable.append(Skip(provider, key_name, name, "unusable", why_not.rstrip(".")))
    return tuple(found), tuple(unusable)


def options_of(provider: Provider, max_output_tokens: int | None) -> dict[str, Any]:
    """Return what an adapter is told beside address and key."""
    info = provider.info
    if info is None:
        return {}
    options = {name: provider.settings[name] for name in info.settings if name in provider.settings}
    if info.protocol == "anthropic" and max_output_tokens is not None:
        options["default_max_tokens"] = max_output_tokens  # this protocol requires a limit: unset means the model's own
    return options


def addressed_by(provider: Provider, base_url: str | None = None) -> AddressedBy:
    """Return whose word the address of a provider is; ``base_url`` is one typed in its place."""
    if provider.owner_id is not None:
        return "person"
    typed = base_url is not None and base_url != provider.base_url
    return "admin" if provider.own_base_url or typed else "operator"


def routed_call(principal: Principal, call: ChatCall, candidates: tuple[Candidate, ...], unusable: tuple[Skip, ...] = ()) -> RoutedCall:
    """Return a principal's call on its way to the candidates, under a new request id."""
    return RoutedCall(
        request_id=str(uuid4()),
        request=Request(
            model="",  # each candidate's own id takes its place
            messages=call.messages,
            system=call.system,
            tools=call.tools,
            temperature=call.temperature,
            top_p=call.top_p,
            max_tokens=call.max_tokens,
            response_format=call.response_format,
            tool_choice=call.tool_choice,
            reasoning_effort=call.reasoning_effort,
            stop=call.stop,
            extra=call.extra,
        ),
        candidates=candidates,
        source=call.source,
        user_id=principal.user_id,
        user_name=principal.name,
        conversation_id=call.conversation_id,
        message_id=call.message_id,
        api_token_id=call.api_token_id,
        unusable=unusable,
    )
