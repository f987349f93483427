"""``models``: the registry of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lib.cli.model_files import export_models, import_models
from lib.cli.output import emit, json_option, plain
from lib.cli.prices import price, prices
from lib.cli.refresh import refresh

if TYPE_CHECKING:
    from lib.registry import Model

TEST_PROMPT = "Reply with the single word: ready"


@click.group()
def models() -> None:
    """List, add, switch and test models. MODEL is an id, a key, PROVIDER/UPSTREAM_ID, an upstream id or a display name."""


models.add_command(import_models)
models.add_command(export_models)


@models.command("list")
@click.option("--provider", metavar="SLUG", help="Only this provider's models.")
@click.option("--active", is_flag=True, help="Only models that are switched on.")
@click.option("--usable", is_flag=True, help="Only models that can be called now.")
@click.option("--search", metavar="TEXT", help="Only models whose name, key or id contains this text.")
@json_option
def list_models(provider: str | None, active: bool, usable: bool, search: str | None, as_json: bool) -> None:
    """List models: green is usable now, yellow is on but not usable, white is off; ID is the provider's own id."""
    from lib.cli.model_text import found, model_document
    from lib.cli.session import session

    with session() as opened:
        if provider:
            opened.registry.provider(provider)  # an unknown one is a mistake, not an empty list
        chosen = opened.registry.models(active=active or None, usable=usable or None, provider=provider, search=search)
    emit(as_json, [model_document(model) for model in chosen], found(chosen))


@models.command()
@click.argument("provider")
@click.argument("upstream_id")
@click.option("--key", "model_key", metavar="KEY", help="The model's key here; made from the upstream id when left out.")
@click.option("--name", metavar="TEXT", help="Display name; the upstream id when left out.")
@click.option("--context-window", type=click.IntRange(min=1), metavar="TOKENS", help="Most tokens of input and output together.")
@click.option("--max-output-tokens", type=click.IntRange(min=1), metavar="TOKENS", help="Most tokens of an answer.")
@click.option(
    "--capability", "capabilities", multiple=True, metavar="NAME", help="Something it can do, such as streaming or tools; repeatable."
)
@click.option("--activate", is_flag=True, help="Switch it on at once.")
@json_option
def add(provider: str, upstream_id: str, as_json: bool, activate: bool, **values: Any) -> None:
    """Add a model by the id its PROVIDER knows it by."""
    given = {name: value for name, value in values.items() if value not in (None, ())}
    from lib.cli.model_text import details, model_document
    from lib.cli.session import session

    if "name" in given:
        given["display_name"] = given.pop("name")
    with session() as opened:
        model = opened.registry.add_model(provider=provider, upstream_id=upstream_id, **given)
        if activate:
            opened.registry.set_active([model.id], True)
        model = opened.registry.get(model.id)
    emit(as_json, model_document(model), details(model))


@models.command()
@click.argument("model")
@json_option
def show(model: str, as_json: bool) -> None:
    """Show everything about one model."""
    from lib.cli.model_text import details, model_document
    from lib.cli.session import session

    with session() as opened:
        row = opened.registry.get(model)
    emit(as_json, model_document(row), details(row))


@models.command()
@click.argument("refs", metavar="MODEL...", nargs=-1, required=True)
@json_option
def activate(refs: tuple[str, ...], as_json: bool) -> None:
    """Switch models on, all or none."""
    _switch(refs, True, as_json)


@models.command()
@click.argument("refs", metavar="MODEL...", nargs=-1, required=True)
@json_option
def deactivate(refs: tuple[str, ...], as_json: bool) -> None:
    """Switch models off, all or none; they keep their settings, prices and history."""
    _switch(refs, False, as_json)


@models.command()
@click.argument("model", required=False)
@json_option
def default(model: str | None, as_json: bool) -> None:
    """Show the default model, or make MODEL the default."""
    from lib.cli.model_text import line, model_document
    from lib.cli.session import session

    with session() as opened:
        if model is None:
            chosen = opened.registry.default()
        else:
            number = opened.registry.get(model).id
            opened.registry.set_default(number)
            chosen = opened.registry.get(number)
    emit(
        as_json, None if chosen is None else model_document(chosen), ["No model is usable yet." if chosen is None else line(chosen).strip()]
    )


@models.command()
@click.argument("model")
@click.argument("others", metavar="[FALLBACK...]", nargs=-1)
@click.option("--clear", is_flag=True, help="Let no other model step in.")
@json_option
def fallbacks(model: str, others: tuple[str, ...], clear: bool, as_json: bool) -> None:
    """Show which models step in when MODEL fails, or set them in the order given."""
    from lib.cli.model_text import line
    from lib.cli.session import session
    from lib.errors import UnknownModel

    if others and clear:
        raise click.UsageError("Name the fallbacks, or give --clear; not both.")
    with session() as opened:
        row = opened.registry.get(model)
        if others or clear:
            keys = list(dict.fromkeys(opened.registry.get(other).model_key for other in others))
            if row.model_key in keys:
                raise click.UsageError(f"{row.model_key} cannot step in for itself.")
            row = opened.registry.update_model(row.id, version=row.version, fallbacks=keys)
        lines = []
        for key in row.fallbacks:
            try:
                lines.append(line(opened.registry.get(key)))
            except UnknownModel:
                lines.append(f"   {plain(key)}: not in the registry any more")
    document = {"key": row.model_key, "fallbacks": list(row.fallbacks)}
    emit(as_json, document, [f"{row.display_name} falls back on:", *lines] if lines else [f"{row.display_name} has no fallback."])


@models.command()
@click.argument("model")
@click.option("--name", "display_name", metavar="TEXT", help="Display name.")
@click.option("--upstream-id", metavar="ID", help="What its provider calls it.")
@click.option("--context-window", type=click.IntRange(min=1), metavar="TOKENS", help="Most tokens of input and output together.")
@click.option("--max-output-tokens", type=click.IntRange(min=1), metavar="TOKENS", help="Most tokens of an answer.")
@click.option(
    "--capability", "capabilities", multiple=True, metavar="NAME", help="Something it can do, in place of all it could; repeatable."
)
@click.option("--order", "display_order", type=click.IntRange(min=0), metavar="NUMBER", help="Its place in lists, the smallest first.")
@click.option("--hidden/--shown", default=None, help="Whether pickers leave it out.")
@json_option
def edit(model: str, as_json: bool, **values: Any) -> None:
    """Change what is known of a model; what is not named stays."""
    from lib.cli.model_text import details, model_document
    from lib.cli.session import session

    given = {name: value for name, value in values.items() if value not in (None, ())}
    if not given:
        raise click.UsageError("Name what to change, such as --name or --hidden.")
    with session() as opened:
        row = opened.registry.get(model)
        row = opened.registry.update_model(row.id, version=row.version, **given)
    emit(as_json, model_document(row), details(row))


@models.command()
@click.argument("model")
@json_option
def test(model: str, as_json: bool) -> None:
    """Ask a model for one word and say how it went."""
    from lib.chat import Message
    from lib.cli.chat import answer_document, gather, strip
    from lib.cli.session import session
    from lib.services import ChatCall

    with session() as opened:
        call = ChatCall(model=model, messages=(Message("user", TEST_PROMPT),), max_tokens=64, source="test")
        answer = gather(opened.services.chat(opened.principal, call))
    emit(as_json, answer_document(answer), [f"It works; it answered: {plain(answer.text)[:200]}", strip(answer)])


@models.command()
@json_option
def seed(as_json: bool) -> None:
    """Restore built-in providers and models that are missing; nothing that exists is changed."""
    from lib.cli.session import session

    with session() as opened:
        result = opened.registry.seed()
    _report(as_json, result)


models.add_command(refresh)
models.add_command(prices)
models.add_command(price)


def _switch(refs: tuple[str, ...], on: bool, as_json: bool) -> None:
    from lib.cli.model_text import line, model_document
    from lib.cli.session import session

    with session() as opened:
        ids = [opened.registry.get(ref).id for ref in refs]
        opened.registry.set_active(ids, on)
        changed: list[Model] = [opened.registry.get(number) for number in ids]
    emit(as_json, [model_document(model) for model in changed], [line(model).strip() for model in changed])


def _report(as_json: bool, result: Any) -> None:
    from dataclasses import asdict

    document = {name: list(value) if isinstance(value, tuple | set | frozenset) else value for name, value in asdict(result).items()}
    words = [f"{name}: {len(value) if isinstance(value, list) else value}" for name, value in document.items()]
    emit(as_json, document, [", ".join(words)])
