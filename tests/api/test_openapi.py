"""The OpenAPI document describes the routes there are, and nothing else."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest

from kazid.api.openapi import ERRORS, openapi_document
from kazid.api.table import ENDPOINTS, by_path
from kazid.wire import messages
from tests.api.house import House

DOCUMENT = openapi_document(ENDPOINTS, version="1.2.3")
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(_references, value.values()), set())
    if isinstance(value, list):
        return set().union(*map(_references, value))
    return set()


def test_the_daemon_serves_it(house: House) -> None:
    answer = house.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == json.loads(json.dumps(DOCUMENT))
    assert answer.json["openapi"].startswith("3.1")


def test_it_has_every_route_and_no_other() -> None:
    documented = {(path, method.upper()) for path, method, _ in OPERATIONS}
    assert documented == {(e.path, e.method) for e in ENDPOINTS}


def test_every_documented_route_is_routed(house: House) -> None:
    for path, methods in by_path(ENDPOINTS).items():
        answer = house.call("PATCH", re.sub(r"{\w+}", "x", path))
        assert (answer.status, answer.headers["allow"]) == (405, ", ".join(sorted(methods)))


def test_every_reference_points_somewhere() -> None:
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    used = _references(DOCUMENT)
    assert used <= known
    assert {"GoalDocument", "ProblemDetails"} <= {u.rpartition("/")[2] for u in used}


def test_every_schema_is_a_json_schema() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        whole = {**schema, "components": DOCUMENT["components"]}
        assert jsonschema_rs.meta.is_valid(whole), name
        jsonschema_rs.validator_for(whole)


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_operation_is_described_whole(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["operationId"]
    assert operation["summary"]
    in_path = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", path))
    assert any(status.startswith("2") for status in operation["responses"])
    for status, response in operation["responses"].items():
        assert response["description"]
        if int(status) >= 400:
            assert int(status) in ERRORS
            assert set(response["content"]) == {"application/problem+json"}
    has_key = any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", ()))
    is_mutation = method != "get" and operation["operationId"] not in ("check", "lint", "try")
    assert has_key == is_mutation


def test_every_message_of_the_wire_is_used_by_some_route() -> None:
    used = {reference.rpartition("/")[2] for reference in _references(DOCUMENT)}
    structs = {
        name
        for name, value in vars(messages).items()
        if isinstance(value, type) and hasattr(value, "__struct_fields__") and not name.startswith("_")
    }
    assert structs - used == set()


def test_real_replies_are_what_the_document_says(house: House) -> None:
    replies = [
        ("/v1/info", "get", 200, "/v1/info"),
        ("/v1/goals", "get", 200, "/v1/goals"),
        ("/v1/goals/@me/web", "get", 200, "/v1/goals/{owner}/{id}"),
        ("/v1/goals/@me/web/explain", "get", 200, "/v1/goals/{owner}/{id}/explain"),
        ("/v1/goals/@me/nothing", "get", 404, "/v1/goals/{owner}/{id}"),
        ("/v1/goals/@me/web/wait?timeout_s=x", "get", 400, "/v1/goals/{owner}/{id}/wait"),
    ]
    for target, method, status, path in replies:
        answer = house.call(method.upper(), target)
        assert answer.status == status
        (media,) = DOCUMENT["paths"][path][method]["responses"][str(status)]["content"].values()
        validator = jsonschema_rs.validator_for({**media["schema"], "components": DOCUMENT["components"]})
        assert [e.message for e in validator.iter_errors(answer.json)] == [], target
