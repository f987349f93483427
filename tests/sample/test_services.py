"""Through the services only an admin loads and clears, and whoever uses the registry never meets a sample model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.chat import Message
from lib.errors import InvalidValue, NotAllowed, NotFound, UnknownModel
from lib.sample.catalog import MODELS, PROVIDERS
from lib.services import ChatCall, Services, open_services
from lib.settings import load_settings

ANALYST = Principal("00000000-0000-4000-8000-0000000000fe", "Noa", Role.ANALYST)
MEMBER = Principal("00000000-0000-4000-8000-0000000000ff", "Mia", Role.MEMBER)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("services")
    opened = open_services(load_settings({"MODELDECK_DATA_DIR": str(folder)}, folder))
    yield opened
    opened.close()


@pytest.fixture
def loaded(services: Services) -> Iterator[Services]:
    services.load_sample(LOCAL_ADMIN, 120, 10, 1)
    yield services
    services.clear_sample(LOCAL_ADMIN)


@pytest.mark.parametrize("principal", [ANALYST, MEMBER])
def test_only_an_admin_loads_and_clears(services: Services, principal: Principal) -> None:
    with pytest.raises(NotAllowed):
        services.load_sample(principal, 10, 10, 1)
    with pytest.raises(NotAllowed):
        services.clear_sample(principal)
    assert not services.has_sample()


def test_what_was_loaded_is_told_and_taken_away(services: Services) -> None:
    assert services.load_sample(LOCAL_ADMIN, 120, 10, 1).calls == 120
    assert services.has_sample()
    assert services.clear_sample(LOCAL_ADMIN).calls == 120
    assert not services.has_sample()


def test_the_registry_knows_no_sample_model_unless_asked_for_them(loaded: Services) -> None:
    registry = loaded.registry(LOCAL_ADMIN)
    keys = {model.key for model in MODELS}
    for models in (registry.models(), registry.models(hidden=True), registry.models(active=False), registry.usable()):
        assert not keys & {model.model_key for model in models}
    assert not {p.slug for p in PROVIDERS} & {p.slug for p in registry.providers()}
    asked = registry.models(sample=True)
    assert {model.model_key for model in asked} == keys
    assert not any(model.usable or model.is_active for model in asked)
    assert all(model.hidden and model.display_name.endswith("(sample)") for model in asked)


def test_no_name_of_a_sample_model_or_provider_leads_to_it(loaded: Services) -> None:
    registry = loaded.registry(LOCAL_ADMIN)
    model = registry.models(sample=True)[0]
    for ref in (model.id, model.model_key, model.display_name, f"{model.provider.slug}/{model.upstream_id}"):
        with pytest.raises(UnknownModel) as unknown:
            loaded.chat(LOCAL_ADMIN, ChatCall([Message("user", "hello")], model=ref))
        assert "Did you mean sample-" not in str(unknown.value)
    with pytest.raises(NotFound):
        registry.provider(model.provider.slug)
    for change in (
        lambda: registry.set_active([model.id], True),
        lambda: registry.set_default(model.id),
        lambda: registry.delete_model(model.id),
    ):
        with pytest.raises(UnknownModel):
            change()


def test_nobody_else_can_make_a_model_of_the_sample_type(services: Services) -> None:
    with pytest.raises(InvalidValue):
        services.registry(LOCAL_ADMIN).add_model("demo", "mine", model_type="sample")
