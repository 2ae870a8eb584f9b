"""What a goal leaves that may only propose: the patch, why, what else there was, and what is green by it.

One document, sealed by the digest of all that it says, journalled with the end and part of its bundle. The patch is
bound by its own digest and by two commits, so whoever applies it can tell that it is this one; a long patch stays where
it is, in the goal's worktree and below refs/kazi/, and the document says how to print it. Values only;
`core/proposing.py` fills them in.
"""

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.ids import Generation, PredicateId


class Patch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The change as git prints it between two commits. `text` None: it is long; `how` prints it."""

    base: str
    commit: str
    branch: str
    folder: str
    sha256: str
    """Of the bytes that `how` prints, before anything was redacted; empty: too many, and `commit` binds them."""
    bytes: int
    how: str
    text: str | None = None
    is_redacted: bool = False
    """A secret was taken out of `text`."""


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a predicate said of it."""

    id: PredicateId
    verdict: str
    detail: str | None = None
    tree: str | None = None
    """Content that was judged."""


class Alternative(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another way that was tried, or could be."""

    title: str
    what: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document. `sha256` seals all else in it."""

    title: str
    generation: Generation
    spec_sha256: str
    patch: Patch | None = None
    """None: nothing of code is proposed, but what `title` says."""
    by: str = ""
    reasoning: str = ""
    """What the agent said of it, as far as it was kept."""
    alternatives: Sequence[Alternative] = ()
    evidence: Sequence[Shown] = ()
    sha256: str = ""


def sealed(proposal: Proposal) -> Proposal:
    """With the digest of all that it says."""
    return replace(proposal, sha256=_digest(proposal))


def is_whole(proposal: Proposal) -> bool:
    """True while it says what was sealed."""
    return proposal.sha256 == _digest(proposal)


def _digest(proposal: Proposal) -> str:
    said = msgspec.json.encode(replace(proposal, sha256=""), order="deterministic")
    return hashlib.sha256(said).hexdigest()
