"""Filling a proposal: from the goal as it stood when it ended, within a bound. A long patch gives way first. Pure.

What the agent said are the words that its newest attempt ended with, and the caller's to find in the journal; what else
there was are the other attempts of the episode, and the remedies that nobody ran.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.goal import Goal
from kazid.core.progress import ActSummary, Progress
from kazid.core.proposal import Alternative, Patch, Proposal, Shown, sealed
from kazid.core.vector import VerdictVector

BYTES_MAX = 40 * 1024
"""Encoded: it has to fit into a bundle beside what decided."""
ALTERNATIVES_MAX = 10
EVIDENCE_MAX = 50
WORDS_CHARS_MAX = 300


def proposal_of(
    goal: Goal, progress: Progress, vector: VerdictVector, *, title: str, patch: Patch | None, reasoning: str
) -> Proposal:
    """The sealed document, at most BYTES_MAX encoded: a long patch gives way first, then what is said beside it."""
    acts = () if progress.episode is None else tuple(progress.episode.acts)
    maker = None if patch is None else maker_of(progress)
    proposal = Proposal(
        title=_words(title),
        generation=progress.generation,
        spec_sha256=progress.spec_sha256,
        patch=patch,
        by="" if maker is None else _maker(maker),
        reasoning=reasoning if patch is not None else "",
        alternatives=_alternatives(goal, acts, maker, title),
        evidence=tuple(
            Shown(
                id=reading.predicate_id,
                verdict=reading.shown.status.value,
                detail=_words(reading.shown.detail or "") or None,
                tree=progress.predicate(reading.predicate_id).tree,
            )
            for reading in vector.readings[:EVIDENCE_MAX]
        ),
    )
    short = proposal if patch is None else replace(proposal, patch=replace(patch, text=None))
    for candidate in (proposal, short):
        if _size(candidate) <= BYTES_MAX:
            return sealed(candidate)
    return sealed(replace(short, alternatives=(), evidence=()))


def maker_of(progress: Progress) -> ActSummary | None:
    """The attempt whose work is proposed: the newest of an agent."""
    acts = () if progress.episode is None else progress.episode.acts
    return next((a for a in reversed(acts) if a.rung.startswith("harness:")), None)


def _size(proposal: Proposal) -> int:
    return len(msgspec.json.encode(proposal))


def _maker(act: ActSummary) -> str:
    sent = act.assignment
    model = "" if sent is None or sent.model is None else f", {sent.model}"
    return _words(f"attempt {act.number}: {act.title}{model}")


def _alternatives(
    goal: Goal, acts: Sequence[ActSummary], maker: ActSummary | None, title: str
) -> tuple[Alternative, ...]:
    tried = [
        Alternative(title=_words(f"attempt {a.number}: {a.title}"), what=_words(_became(a)))
        for a in acts
        if a is not maker
    ]
    ran = {a.rung for a in acts}
    lines = [
        " ".join((remedy.cmd, *remedy.args))
        for index, remedy in enumerate(goal.remedies)
        if f"remedy:{index}" not in ran
    ]
    untried = [
        Alternative(title=_words(line), what="a remedy that was not run")
        for line in lines
        if line not in title
    ]
    return tuple([*tried, *untried][-ALTERNATIVES_MAX:])


def _became(act: ActSummary) -> str:
    said = [act.ending or "it runs"]
    if act.change is not None:
        said.append(f"it changed {act.change.files} files")
    if act.broke:
        said.append(f"it broke {', '.join(act.broke)}")
    if act.reason:
        said.append(act.reason)
    return "; ".join(said)


def _words(text: str) -> str:
    return text if len(text) <= WORDS_CHARS_MAX else text[: WORDS_CHARS_MAX - 1] + "…"
