"""Every route there is. Routing and the OpenAPI document are both made from this list, so the two cannot drift."""

from collections.abc import Mapping, Sequence

from kazid.api.endpoint import Endpoint
from kazid.api.routes import (
    acknowledging,
    apply,
    approving,
    audit,
    bundle,
    doctor,
    events,
    explain,
    fleet,
    follow,
    goals,
    harnesses,
    hooks,
    incident,
    info,
    lint,
    logs,
    metrics,
    openapi,
    report,
    schema,
    steering,
    traces,
    try_out,
    wait,
)

ENDPOINTS: Sequence[Endpoint] = (
    *info.ENDPOINTS,
    *doctor.ENDPOINTS,
    *goals.ENDPOINTS,
    *apply.ENDPOINTS,
    *steering.ENDPOINTS,
    *acknowledging.ENDPOINTS,
    *approving.ENDPOINTS,
    *fleet.ENDPOINTS,
    *explain.ENDPOINTS,
    *bundle.ENDPOINTS,
    *harnesses.ENDPOINTS,
    *wait.ENDPOINTS,
    *follow.ENDPOINTS,
    *logs.ENDPOINTS,
    *events.ENDPOINTS,
    *incident.ENDPOINTS,
    *traces.ENDPOINTS,
    *audit.ENDPOINTS,
    *report.ENDPOINTS,
    *hooks.ENDPOINTS,
    *lint.ENDPOINTS,
    *try_out.ENDPOINTS,
    *schema.ENDPOINTS,
    *metrics.ENDPOINTS,
    *openapi.ENDPOINTS,
)

assert len({e.operation for e in ENDPOINTS}) == len(ENDPOINTS), "operations have names of their own"
assert len({(e.method, e.path) for e in ENDPOINTS}) == len(ENDPOINTS), "no route is there twice"


def by_path(endpoints: Sequence[Endpoint]) -> Mapping[str, Mapping[str, Endpoint]]:
    """The rows of each path by method, paths in table order."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return paths
