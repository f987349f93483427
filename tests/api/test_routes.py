"""The API says how the server is without telling a stranger anything else, in one shape whatever happens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from lib import __version__
from lib.api import ROUTES, openapi_document, routes
from lib.api.answers import ERRORS, UNEXPECTED, answering
from lib.api.routes import Endpoint
from lib.errors import KeyRequired, ModeldeckError, SettingsError, StoreFault
from lib.services import Services, open_services
from lib.settings import load_settings
from lib.store.faults import unavailable


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    opened = open_services(load_settings({"MODELDECK_DATA_DIR": str(tmp_path / "secret-place")}, tmp_path))
    yield opened
    opened.close()


def client(get_services: Any) -> TestClient:
    return TestClient(Starlette(routes=routes(get_services)), base_url="http://localhost")


def broken(error: Exception) -> TestClient:
    def get_services() -> Services:
        raise error

    return client(get_services)


def test_a_working_server_is_healthy(services: Services) -> None:
    answer = client(lambda: services).get("/api/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "mode": "embedded", "schema": "ready", "version": __version__}
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_schema_of_a_newer_version_is_not_healthy(services: Services) -> None:
    with services.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    answer = client(lambda: services).get("/api/health")
    assert answer.status_code == 503
    assert (answer.json()["status"], answer.json()["schema"]) == ("unavailable", "newer")
    assert "newer Modeldeck" in answer.json()["error"]["message"]


@pytest.mark.parametrize("reason", ["locked", "read-only", "disk-full", "corrupt", "unreachable", "missing-schema", "older-schema"])
def test_an_unusable_database_is_503_with_its_sentence_and_without_the_detail_that_names_a_path(reason: StoreFault) -> None:
    answer = broken(unavailable(reason, "Permission denied: /home/somebody/.data")).get("/api/health")
    assert answer.status_code == 503
    assert answer.json()["error"] == {"type": "store_unavailable", "message": str(unavailable(reason))}
    assert "somebody" not in answer.text


def test_unusable_settings_are_503_without_their_details() -> None:
    answer = broken(SettingsError("MODELDECK_DATA_DIR=/home/somebody may not be used.")).get("/api/health")
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "settings"
    assert "somebody" not in answer.text


def test_a_bug_is_answered_in_the_same_shape_and_keeps_its_details_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    answer = broken(RuntimeError("sk-canary-0123456789abcdef in /home/somebody")).get("/api/health")
    assert answer.status_code == 500
    assert answer.json() == {"error": {"type": "internal", "message": UNEXPECTED}}
    assert "api.failed" in caplog.text
    assert "canary" not in caplog.text


def test_health_never_names_a_path_or_a_secret(services: Services, tmp_path: Path) -> None:
    text = client(lambda: services).get("/api/health").text
    assert str(tmp_path) not in text
    assert "secret-place" not in text


def test_every_error_of_the_tree_has_a_status_and_a_type_of_its_own() -> None:
    def every(cls: type[ModeldeckError]) -> Iterator[type[ModeldeckError]]:
        yield cls
        for sub in cls.__subclasses__():
            yield from every(sub)

    listed = [cls for cls, _, _ in ERRORS]
    kinds = [kind for _, _, kind in ERRORS]
    assert len(set(kinds)) == len(kinds)
    for cls in every(ModeldeckError):
        if cls.__module__ == "lib.errors":
            first = next(row for row in listed if issubclass(cls, row))
            assert first is cls or first is not ModeldeckError, f"{cls.__name__} would be answered as an internal error"


def test_an_explained_error_is_answered_with_its_sentence() -> None:
    def handler(_request: Any) -> Any:
        raise KeyRequired("OpenAI needs a key.", provider="openai")

    answer = TestClient(Starlette(routes=[Route("/x", answering(handler))])).get("/x")
    assert answer.status_code == 409
    assert answer.json() == {"error": {"type": "key_required", "message": "OpenAI needs a key."}}


def test_an_unknown_address_of_the_api_is_404_and_not_streamlits_page() -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = broken(RuntimeError()).request(method, "/api/nothing/here")
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "not_found"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_a_wrong_method_is_405_and_says_which_is_right(route: Endpoint) -> None:
    answer = broken(RuntimeError()).patch(route.path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == route.method
    assert answer.json()["error"]["type"] == "method_not_allowed"


def test_the_description_lists_just_the_routes_that_exist(services: Services) -> None:
    served = {(method, route.path) for route in routes(lambda: services) if route.include_in_schema for method in route.methods or ()}
    described = {(method.upper(), path) for path, methods in openapi_document()["paths"].items() for method in methods}
    assert served - {("HEAD", path) for _, path in served} == described == {(route.method, route.path) for route in ROUTES}


def test_the_description_is_served_and_every_route_answers_as_described(services: Services) -> None:
    web = client(lambda: services)
    document = web.get("/openapi.json").json()
    assert document == openapi_document()
    assert re.fullmatch(r"3\.1\.\d", document["openapi"])
    assert document["info"]["version"] == __version__
    for route in ROUTES:
        answer = web.request(route.method, route.path)
        schema = document["paths"][route.path][route.method.lower()]["responses"][str(answer.status_code)]["content"]["application/json"][
            "schema"
        ]
        assert set(schema.get("required", ())) <= set(answer.json())
        assert set(answer.json()) <= set(schema.get("properties", answer.json()))
