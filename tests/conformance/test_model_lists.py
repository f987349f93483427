"""The gateway's recorded models, listed by a server, become the models that its own registry has of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lib.access import LOCAL_ADMIN
from lib.services import open_services
from lib.services.discovery import DiscoveryDesk
from lib.settings import load_settings
from tests.replay import ReplayServer, Reply

FOLDER = os.environ.get("CONFORMANCE_DIR")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="CONFORMANCE_DIR is not set: recorded list of models not read")
KEY = "matcha-test-0123456789abcdef"


def recorded() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((Path(str(FOLDER)) / "matchaai" / "registry.json").read_text(encoding="utf-8"))["seed_rows"]
    return rows


def test_recorded_models_come_with_their_keys_numbers_and_abilities(tmp_path: Path) -> None:
    rows = recorded()
    services = open_services(load_settings({"MODELDECK_DATA_DIR": str(tmp_path / "data")}, tmp_path))
    registry = services.registry(LOCAL_ADMIN)
    built_in = {model.upstream_id for model in registry.models(provider="matchaai")}
    with ReplayServer(Reply(json.dumps(rows).encode()), api_key=KEY) as server:
        services.set_key(LOCAL_ADMIN, registry.set_provider("matchaai", base_url=server.base_url.removesuffix("/v1")), KEY)
        done = DiscoveryDesk(services, LOCAL_ADMIN).refresh(["matchaai"])
    assert done.errors == ()
    models = {model.upstream_id: model for model in registry.models(provider="matchaai") if model.is_available}
    assert set(models) == {str(row["matcha_llm_id"]) for row in rows}
    for row in rows:
        model, able = models[str(row["matcha_llm_id"])], row["capabilities"]
        assert (model.display_name, model.context_window) == (row["model_name"], able["context_window"])
        assert ("tools" in model.capabilities, "vision" in model.capabilities) == (able["supports_tools"], able["supports_vision"])
        if model.upstream_id not in built_in:
            assert (model.model_key, model.is_active) == (row["model_key"], False)
            assert model.price is not None, "it is priced as what its maker calls it"
    services.close()
