"""The names things have: ids as distinct types, so that two strings are never swapped by accident.

A goal is known by `owner/id`, its REF; each creation of it is one incarnation with a `GoalUid` of its own, so
that delete and re-create never mixes two histories.
"""

from typing import NewType

GoalUid = NewType("GoalUid", str)
"""One incarnation of a goal: unique for ever, safe as a file name."""

GoalId = NewType("GoalId", str)
"""The `id` of a goal-file, verbatim; unique per owner."""

Owner = NewType("Owner", str)
"""The login name of who submitted the goal (the uid in digits where it has no name)."""

PredicateId = NewType("PredicateId", str)
AttemptId = NewType("AttemptId", str)
"""One executor attempt: unique for ever, safe as a file name."""

Seq = NewType("Seq", int)
"""Position of an event in its incarnation, from 1, without a gap."""

Offset = NewType("Offset", int)
"""Commit order over all goals; rising, gaps allowed."""

Generation = NewType("Generation", int)
"""Rises when what a goal demands or may do changes. From 1."""

Epoch = NewType("Epoch", int)
"""The fence: an executor of an older epoch must not run. From 1."""

TreeHash = NewType("TreeHash", str)
"""Content hash of a workspace: untracked files included, commits not."""
