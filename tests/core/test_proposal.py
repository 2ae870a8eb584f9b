"""A proposal is one sealed document: the patch, why, what else there was, and what is green by it."""

from msgspec.structs import replace

from kazid.core.bundling import BYTES_MAX as BUNDLE_BYTES_MAX
from kazid.core.bundling import events_of
from kazid.core.decision import Conclude
from kazid.core.event import BundleLeft
from kazid.core.level import Level
from kazid.core.proposal import Patch, Proposal, is_whole, sealed
from kazid.core.proposing import BYTES_MAX, proposal_of
from kazid.core.status import Cause, GoalStatus
from tests.builders import FAIL, PASS, a_remedy, as_json
from tests.core.test_approval import an_agents_green
from tests.played import Played

PATCH = Patch(
    base="0" * 40, commit="1" * 40, branch="kazi/web", folder="/s/wt", sha256="a" * 64, bytes=9, how="git diff",
    text="+fixed\n",
)  # fmt: skip
END = Conclude(status=GoalStatus.STUCK, cause=Cause.PROPOSED, reason="proposed and not done")


def a_proposal(play: Played, patch: Patch | None = PATCH) -> Proposal:
    return proposal_of(
        play.goal, play.progress, play.vector, title="apply it", patch=patch, reasoning="off by one"
    )


def an_agents_second_try() -> Played:
    """The first attempt did not help, the second did and said why."""
    play = an_agents_green(Level.PROPOSE)
    play.look("tests", FAIL, tree="t3")
    play.advance(60.0).look("tests", FAIL, tree="t3")
    play.acted()
    return play.advance(1.0).look("tests", PASS, tree="t4")


def test_whatever_is_changed_in_it_breaks_the_seal() -> None:
    proposal = a_proposal(an_agents_green(Level.PROPOSE))
    assert is_whole(proposal)
    others = {
        "title": "x", "generation": 9, "spec_sha256": "x", "patch": replace(PATCH, commit="2" * 40), "by": "x",
        "reasoning": "x", "alternatives": (), "evidence": (), "sha256": "0" * 64,
    }  # fmt: skip
    assert others.keys() == set(Proposal.__struct_fields__)
    for name, other in others.items():
        before = getattr(proposal, name)
        changed = replace(proposal, **{name: other if other != before else ("x",)})
        assert not is_whole(changed), name


def test_it_says_what_the_agent_said_and_what_is_green_in_which_tree() -> None:
    play = an_agents_green(Level.PROPOSE)
    proposal = a_proposal(play)
    assert proposal.reasoning == "off by one"
    assert proposal.by.startswith("attempt 1: ")
    assert [(e.id, e.verdict, e.tree) for e in proposal.evidence] == [("tests", "pass", "t2")]
    assert proposal.patch == PATCH


def test_other_attempts_and_remedies_that_were_not_run_are_the_alternatives() -> None:
    play = an_agents_second_try()
    goal = replace(play.goal, remedies=(replace(a_remedy("tests", cmd="make"), args=("clean",)),))
    proposal = proposal_of(goal, play.progress, play.vector, title="apply", patch=PATCH, reasoning="")
    titles = [a.title for a in proposal.alternatives]
    assert len(titles) == 2
    assert titles[0].startswith("attempt 1: ")
    assert titles[1] == "make clean"
    assert proposal.by.startswith("attempt 2: ")


def test_a_long_patch_is_left_where_it_is_and_its_digest_stays() -> None:
    play = an_agents_green(Level.PROPOSE)
    long = replace(PATCH, text="\x01" * BYTES_MAX)
    proposal = a_proposal(play, long)
    assert proposal.patch == replace(long, text=None)
    assert is_whole(proposal)
    _, left = events_of(play.goal, play.progress, END, play.now, proposal=proposal)
    assert isinstance(left, BundleLeft)
    assert left.bundle.proposal == proposal
    assert len(as_json(left.bundle)) <= BUNDLE_BYTES_MAX


def test_what_says_nothing_is_sealed_all_the_same() -> None:
    proposal = sealed(Proposal(title="", generation=1, spec_sha256=""))  # type: ignore[arg-type]
    assert is_whole(proposal)
    assert a_proposal(an_agents_green(Level.PROPOSE), None).by == ""
