"""The OpenAPI 3.1 document, made from the route table and the Structs of requests and replies.

Nothing is written twice: a parameter is a field of a query Struct, a body is a Struct, a status is a row's own or one
that every row shares. Pure.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from kazid.api.endpoint import IDEMPOTENCY_KEY_PATTERN, Endpoint, Reply
from kazid.wire.messages import ProblemDetails
from kazid.wire.names import CONTENT_JSON, CONTENT_PROBLEM, HEADER_IDEMPOTENCY_KEY

OPENAPI = "3.1.0"
REFERENCE = "#/components/schemas/{name}"
ERRORS: Mapping[int, str] = {
    400: "the request is malformed: each problem is named",
    403: "not allowed: what is missing is said",
    404: "no such goal, kind or route",
    408: "the body did not come in time",
    409: "refused at admission (each reason named), or somebody else was first",
    413: "the body is too large",
    422: "the goal-file does not load: every problem, with line and key",
    500: "a bug in kazid",
    503: "too many connections",
    507: "degraded: the disk takes no writes, nothing was stored",
}
EVERYWHERE = (400, 403, 500, 503)
_PLACEHOLDER = re.compile(r"{(\w+)}")
_PATH_PARAMETERS: Mapping[str, str] = {
    "token": "what `GET /v1/goals/{owner}/{id}/hook` tells the owner",
    "owner": "the owner's login; @me is the caller",
    "id": "the goal's id, with ~ as ~0 and / as ~1",
    "kind": "a predicate kind, e.g. http_probe",
}

Json = dict[str, Any]


def openapi_document(endpoints: Sequence[Endpoint], *, version: str) -> Json:
    """The whole document."""
    queries = {e.query for e in endpoints}
    bodies = {e.body for e in endpoints if e.body is not None}
    replies = {r.body for e in endpoints for r in e.replies if r.body is not None}
    structs: set[type[msgspec.Struct]] = {*queries, *bodies, *replies, ProblemDetails}
    _, components = msgspec.json.schema_components(
        sorted(structs, key=lambda t: t.__name__), ref_template=REFERENCE
    )
    fields = {query: components.pop(query.__name__) for query in queries}
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, fields[endpoint.query])
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "kazid",
            "version": version,
            "summary": "keeps goals true",
            "description": "HTTP/1.1 over a Unix socket; the caller is who the kernel says is connected.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(endpoint: Endpoint, query: Json) -> Json:
    operation: Json = {
        "operationId": endpoint.operation,
        "summary": endpoint.summary,
        "x-kazid-agents": endpoint.agents.value,
        "x-kazid-needs": endpoint.needs.value,
        "responses": {str(reply.status): _reply(reply) for reply in endpoint.replies} | _errors(endpoint),
    }
    if parameters := [*_path_parameters(endpoint), *_query_parameters(query), *_header_parameters(endpoint)]:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        required = any(f.required for f in msgspec.structs.fields(endpoint.body))
        operation["requestBody"] = {
            "required": required,
            "content": {CONTENT_JSON: {"schema": _ref(endpoint.body)}},
        }
    return operation


def _path_parameters(endpoint: Endpoint) -> Iterator[Json]:
    for name in _PLACEHOLDER.findall(endpoint.path):
        schema = {"type": "string", "minLength": 1}
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_PARAMETERS[name],
            "schema": schema,
        }


def _query_parameters(query: Json) -> Iterator[Json]:
    for name, schema in query.get("properties", {}).items():
        yield {"name": name, "in": "query", "required": False, "schema": _without_null(schema)}


def _header_parameters(endpoint: Endpoint) -> Iterator[Json]:
    if endpoint.is_mutation:
        schema = {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY_PATTERN}$"}
        description = "the same request sent again under the same key is done once"
        name = HEADER_IDEMPOTENCY_KEY
        yield {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _reply(reply: Reply) -> Json:
    schema = dict(reply.schema) if reply.body is None else _ref(reply.body)
    documented: Json = {"description": reply.description, "content": {reply.media_type: {"schema": schema}}}
    if reply.headers:
        documented["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in reply.headers.items()
        }
    return documented


def _errors(endpoint: Endpoint) -> Json:
    statuses = {*EVERYWHERE, *endpoint.errors}
    if _PLACEHOLDER.search(endpoint.path):
        statuses.add(404)
    content = {CONTENT_PROBLEM: {"schema": _ref(ProblemDetails)}}
    return {str(s): {"description": ERRORS[s], "content": content} for s in sorted(statuses)}


def _ref(struct: type[msgspec.Struct]) -> Json:
    return {"$ref": REFERENCE.format(name=struct.__name__)}


def _without_null(schema: Json) -> Json:
    """A parameter is there or it is not: nobody can write null in a query."""
    choices = [c for c in schema.get("anyOf", ()) if c != {"type": "null"}]
    if len(choices) != 1:
        return schema
    rest = {k: v for k, v in schema.items() if k != "anyOf" and not (k == "default" and v is None)}
    return {**choices[0], **rest}
