"""`harnesses` and `prompt`: which agents there are, what a dispatch of each would use, and what it would be told.

Where an agent's program lies is the caller's PATH to say, so the client looks for it; what the daemon passes on from
its own environment is told by name only.
"""

from msgspec.structs import asdict
from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Reply, json_response
from kazid.core.roles import Need
from kazid.core.rungs import assigned_now, next_slice
from kazid.core.worktree import placed
from kazid.wire.messages import HarnessesReply, HarnessItem, PromptReply


async def harnesses(call: Call) -> Response:
    """Every agent, built in or declared."""
    return json_response(
        HarnessesReply(harnesses=[HarnessItem(**asdict(each)) for each in call.context.harnesses()])
    )


async def prompt(call: Call) -> Response:
    """What an agent would be told if it were sent now."""
    view = call.service.view(call.owner, call.goal_id)
    goal, progress, vector = view.goal, view.progress, view.vector
    target = next_slice(goal, vector)
    context, here = call.context, placed(goal, progress.worktree)
    text = None
    if target:
        briefing = await context.briefer.brief(here, vector, target, folder=None)
        text = context.build_prompt(goal, progress, vector, target, briefing)
    visible = [p for p in target if not goal.predicate(p).held_out]
    return json_response(
        PromptReply(
            ref=f"{goal.owner}/{goal.id}",
            predicates=visible,
            harness=assigned_now(goal, progress, target[0]).harness if target else None,
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
