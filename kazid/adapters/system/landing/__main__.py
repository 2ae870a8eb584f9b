"""One verb and one plan from stdin: `look`, `land`, `deploy` or `rollback`. The last line of stdout is the answer."""

import contextlib
import os
import shutil
import sys
import tempfile

import anyio
import msgspec

from kazid.adapters.system.landing.deploy import deploy, rollback
from kazid.adapters.system.landing.gh import gh_forge
from kazid.adapters.system.landing.land import land
from kazid.adapters.system.landing.look import look
from kazid.adapters.system.landing.repo import Refused
from kazid.adapters.system.landing.rest import rest_forge
from kazid.core.delivery import OUTCOME_MARK, Looked, Outcome, Plan
from kazid.ports.forge import Forge, ForgeFailed

EXIT_REFUSED = 3
EXIT_PASSING = 75


async def run(verb: str, plan: Plan) -> int:
    """Do it, print how it ended, and say so by the exit code."""
    os.makedirs(plan.scratch, mode=0o700, exist_ok=True)
    code, is_permanent = 0, False
    try:
        forge = _forge(plan)
        if verb == "look":
            found = await look(plan, forge)
            sys.stdout.write(msgspec.json.encode(found).decode())
            return 0
        if verb == "land":
            name, detail = await land(plan, forge)
        else:
            code, name, detail = await (deploy if verb == "deploy" else rollback)(plan, forge)
    except Refused as why:
        name, detail, is_permanent = why.name, why.detail, not why.is_passing
        code = EXIT_REFUSED if is_permanent else EXIT_PASSING
    except ForgeFailed as why:
        name, detail, is_permanent = why.reason, why.detail, not why.is_passing
        code = EXIT_REFUSED if is_permanent else EXIT_PASSING
        if verb == "look":
            found = Looked(status="error", reason=name, detail=detail)
            sys.stdout.write(msgspec.json.encode(found).decode())
            return 0
    outcome = Outcome(name=name, detail=detail, is_permanent=is_permanent)
    sys.stdout.write(f"\n{OUTCOME_MARK}{msgspec.json.encode(outcome).decode()}\n")
    sys.stdout.flush()
    return code


def _forge(plan: Plan) -> Forge | None:
    if plan.integration is None or plan.integration.mode not in ("pr", "merge"):
        return None
    settings = plan.integration.forge
    if settings.kind == "none":
        return None
    if settings.kind == "rest":
        return rest_forge(settings)
    return gh_forge(plan.tree)


def main() -> int:
    """Read the plan and run the verb."""
    verb = sys.argv[1]
    assert verb in ("look", "land", "deploy", "rollback"), verb
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    is_ours = not plan.scratch
    if is_ours:  # a look keeps nothing
        plan = msgspec.structs.replace(plan, scratch=tempfile.mkdtemp(prefix="kazid-look-"))
    try:
        return anyio.run(run, verb, plan)
    finally:
        if is_ours:
            with contextlib.suppress(OSError):
                shutil.rmtree(plan.scratch)


if __name__ == "__main__":
    sys.exit(main())
