"""`doctor`: what the daemon's machine has and can enforce."""

from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Reply, json_response
from kazid.core.roles import Need
from kazid.wire.messages import DoctorReply


async def doctor(call: Call) -> Response:
    """Look at the machine now."""
    doctor_of = call.context.doctor
    findings = () if doctor_of is None else await doctor_of.examine()
    found = [{"name": f.name, "state": f.state, "found": f.found, "todo": f.todo} for f in findings]
    return json_response(DoctorReply(findings=found))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/doctor",
        operation="doctor",
        needs=Need.PRESENCE,
        summary="What this machine has and can enforce: state folder, disk, git, sandbox",
        handle=doctor,
        replies=(Reply(description="findings, each with what to do", body=DoctorReply),),
    ),
)
