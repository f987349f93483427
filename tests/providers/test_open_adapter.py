"""Opening an adapter: every kind has its row, and what cannot work is said at once and in words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from lib.chat import Message, Request
from lib.errors import ProviderError
from lib.providers import KINDS, default_endpoint, open_adapter
from lib.settings import SETTINGS


def test_every_kind_of_the_product_has_a_row() -> None:
    assert set(KINDS) == {
        "openai", "openai-compatible", "anthropic", "google", "ollama", "azure", "huggingface", "vllm", "matchaai",
        "cohere", "openrouter", "groq", "mistral", "deepseek", "together", "fireworks", "demo",
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_agrees_with_the_settings_and_with_itself(kind: str) -> None:
    row = KINDS[kind]
    settings = {setting.name: setting for setting in SETTINGS}

    assert row.kind == kind
    assert row.default_endpoint in row.endpoints
    assert default_endpoint(kind) == row.default_endpoint
    if row.key_env:
        assert settings[row.key_env].secret
    if row.base_url_env:
        assert row.base_url_env in settings
    if row.needs_key:
        assert row.key_env
    assert all(part is None or part.startswith("https://") for part in (row.key_page, row.base_url)) or not row.needs_key


@pytest.mark.parametrize("kind", KINDS)
def test_a_callable_kind_opens_and_speaks_its_default_endpoint(kind: str) -> None:
    adapter = open_adapter(kind, base_url="https://provider.test", api_key=SecretStr("k"))

    assert default_endpoint(kind) in adapter.endpoints


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        ("nonesuch", {}, "There is no provider kind"),
        ("azure", {}, "Azure OpenAI needs a base URL"),
        ("openai-compatible", {}, "needs a base URL"),
        ("openai", {"base_url": "ftp://x.test"}, "is not a web address"),
        ("openai", {"base_url": "api.openai.com"}, "is not a web address"),
        ("openai", {"base_url": "http://"}, "is not a web address"),
        ("openai", {"base_url": "http://a..b"}, "is not a web address"),
        ("openai", {"base_url": "http://x:port"}, "is not a web address"),
        ("openai", {"base_url": "http://x.test/v1?key=1"}, "is not a web address"),
        ("openai", {"api_key": "sk-\u2014dash"}, "characters that no key has"),
        ("openai", {"api_key": "sk-1\nsk-2"}, "characters that no key has"),
        ("openai", {"api_key": "two words"}, "characters that no key has"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(kind: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ProviderError, match=sentence) as caught:
        open_adapter(kind, **options)

    assert "sk-" not in str(caught.value)


def test_an_endpoint_nobody_speaks_is_refused_and_v1_is_understood() -> None:
    adapter = open_adapter("demo", pace=0)
    ask = Request("demo-chat", (Message("user", "Hi"),))

    assert adapter.complete(ask, "v1/chat/completions").text
    with pytest.raises(ProviderError, match="not through responses"):
        adapter.complete(ask, "responses")


def test_an_option_that_means_nothing_to_the_kind_is_an_error_of_the_program() -> None:
    with pytest.raises(TypeError):
        open_adapter("openai", pace=0)
