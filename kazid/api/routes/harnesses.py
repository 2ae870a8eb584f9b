"""`harnesses` and `prompt`: which agents there are, what a dispatch of each would use, and what it would be told.

Where an agent's program lies is the caller's PATH to say, so the client looks for it; what the daemon passes on from
its own environment is told by name only.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Reply, json_response
from kazid.core.roles import Need
from kazid.core.rungs import next_slice
from kazid.harnesses.profile import Profile
from kazid.harnesses.prompt import build_prompt
from kazid.wire.messages import HarnessesReply, HarnessItem, PromptReply


async def harnesses(call: Call) -> Response:
    """Every agent, built in or declared."""
    context = call.context
    default = context.defaults().harness
    items = [
        described(profile, os.environ, is_default=profile.id == default)
        for profile in context.harnesses.values()
    ]
    return json_response(HarnessesReply(harnesses=items))


def described(profile: Profile, environ: Mapping[str, str], *, is_default: bool) -> HarnessItem:
    """One agent as a person sees it."""
    return HarnessItem(
        id=profile.id,
        command=profile.command,
        version_args=tuple(profile.version_args),
        tier=profile.tier.value,
        lacks=tuple(profile.lacks),
        takes=tuple(profile.takes),
        prompt_by=profile.prompt_by.value,
        is_default=is_default,
        is_stub_tested=profile.is_stub_tested,
        credentials=tuple(profile.credentials),
        credentials_set=tuple(name for name in profile.credentials if environ.get(name)),
        config_home=_config_home(profile, environ),
    )


def _config_home(profile: Profile, environ: Mapping[str, str]) -> str | None:
    """The folder that its login lies in for a dispatch of this daemon; None when there is none yet."""
    named = [
        environ[name] for name in profile.config_homes if environ.get(name) and not name.startswith("XDG_")
    ]
    home = environ.get("HOME")
    usual = [] if home is None else [f"{home}/{folder}" for folder in profile.config_folders]
    return next((path for path in (*named, *usual) if Path(path).exists()), None)


async def prompt(call: Call) -> Response:
    """What an agent would be told if it were sent now."""
    view = call.service.view(call.owner, call.goal_id)
    goal, progress, vector = view.goal, view.progress, view.vector
    target = next_slice(goal, vector)
    text = build_prompt(goal, progress, vector, target) if target else None
    visible = [p for p in target if not goal.predicate(p).held_out]
    return json_response(
        PromptReply(
            ref=f"{goal.owner}/{goal.id}",
            predicates=visible,
            harness=None if goal.harness is None else goal.harness.id,
            prompt=text,
        )
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/harnesses",
        operation="harnesses",
        summary="The agents: program, tier, what each cannot report, config home and credential by name",
        handle=harnesses,
        needs=Need.PRESENCE,
        replies=(Reply(description="the agents", body=HarnessesReply),),
        agents=AgentAccess.NEVER,
    ),
    Endpoint(
        method="GET",
        path="/v1/goals/{owner}/{id}/prompt",
        operation="prompt",
        needs=Need.EVIDENCE,
        summary="What an agent would be told if it were sent now",
        handle=prompt,
        replies=(Reply(description="the prompt, or null", body=PromptReply),),
        agents=AgentAccess.NEVER,
    ),
)
