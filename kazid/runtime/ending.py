"""An end as it is journalled: the status, and beside it what a person needs to go on; of a proposal, the sealed patch.

Called by the goal's task where `decide` concludes. Looks at the goal's tree and changes nothing in it.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from kazid.core.bundling import events_of
from kazid.core.decision import Conclude
from kazid.core.event import Event, ReconcileRequested
from kazid.core.proposal import Proposal
from kazid.core.proposing import maker_of, proposal_of
from kazid.core.status import Cause
from kazid.core.vector import assess
from kazid.runtime.state import GoalState
from kazid.runtime.world import World

PROPOSAL = "proposal"
SEALS_MAX = 3
"""A tree that is another one each time that it was looked at, or that git cannot take, is not looked at for ever."""


async def events_at(state: GoalState, world: World, end: Conclude) -> Sequence[Event]:
    """The events of this end; none where the tree is not the one that was judged, which is looked at again then.

    What cannot be sealed after a few looks is no proposal, and ends as a tree that failed.
    """
    changed = await world.observer.changed_files(state.spec, state.progress)
    proposal = None
    if end.cause is Cause.PROPOSED:
        proposal = await _proposal(state, world, end)
        state.unsealed = 0 if proposal is not None else state.unsealed + 1
        if 0 < state.unsealed < SEALS_MAX:
            await state.record(ReconcileRequested(by=PROPOSAL))
            return ()
        if proposal is None:
            reason = "what is proposed cannot be sealed: its tree goes on changing, or git cannot take it"
            end = replace(end, cause=Cause.WORKTREE_FAILED, reason=reason)
            state.unsealed = 0
    now = world.clock.now()
    return events_of(state.spec, state.progress, end, now, changed=changed, proposal=proposal)


async def _proposal(state: GoalState, world: World, end: Conclude) -> Proposal | None:
    """The document; None where what would be sealed is not what was judged, or cannot be read."""
    goal, progress = state.spec, state.progress
    vector = assess(goal, progress, world.clock.now())
    patch = None
    if progress.worktree is not None and vector.is_satisfied:
        judged = {progress.predicate(p.id).tree for p in goal.predicates if not p.live}
        patch = await world.places.patch(state.uid, progress.worktree)
        is_judged = not judged or judged == {await world.observer.tree_hash(state.placed)}
        if patch is None or not is_judged:
            return None
    maker = None if patch is None else maker_of(progress)
    reasoning = "" if maker is None else await state.text_of(maker.attempt_id)
    return proposal_of(goal, progress, vector, title=end.reason, patch=patch, reasoning=reasoning)
