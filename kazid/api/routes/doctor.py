"""`doctor`: in which mode the daemon runs, and what its machine has and can enforce."""

import pwd

from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Reply, json_response
from kazid.core.roles import Need
from kazid.ports.doctor import Finding
from kazid.wire.messages import DoctorReply


async def doctor(call: Call) -> Response:
    """Look at the machine now."""
    doctor_of = call.context.doctor
    findings = () if doctor_of is None else await doctor_of.examine()
    mode = mode_finding(call.context.place_mode, login=_login(call.context.own_uid))
    findings = (mode, *findings)
    found = [{"name": f.name, "state": f.state, "found": f.found, "todo": f.todo} for f in findings]
    return json_response(DoctorReply(findings=found))


def mode_finding(mode: str, *, login: str) -> Finding:
    """Whom the commands of goals run as, and so what an owner is worth here (docs/security.md)."""
    if mode == "system":
        found = f"service: every goal's commands run as {login}; owners are book-keeping, not isolation"
    else:
        found = f"user: one person's daemon; commands run as {login}, and nobody else is let in"
    return Finding(name="mode", state="ok", found=found)


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/doctor",
        operation="doctor",
        needs=Need.PRESENCE,
        summary="In which mode the daemon runs, and what this machine has and can enforce",
        handle=doctor,
        replies=(Reply(description="findings, each with what to do", body=DoctorReply),),
    ),
)
