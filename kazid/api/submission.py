"""A goal-file that came in a request: loaded off the event loop, with its places made absolute.

Parsing is CPU and the files it refers to are the caller's, so it runs in one of a few threads and gives a value.
"""

import posixpath
from functools import partial

import anyio
from msgspec.structs import replace

from kazid.api.context import MODE_SYSTEM
from kazid.api.endpoint import Call
from kazid.api.problem import bad_request
from kazid.core.approval import unmeetable
from kazid.core.errors import AdmissionRefused, Problem
from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.goalfile.lint import LintFinding, cannot_be_red
from kazid.goalfile.load import Loaded, Source, load
from kazid.wire.messages import ApplyRequest, LintRequest, ProblemItem

DEPRECATED_KIND = "deprecated-kind"


async def load_submitted(call: Call, request: ApplyRequest | LintRequest) -> Loaded:
    """The goal in a request. Raises GoalFileError with every problem, Refusal for places that cannot be."""
    source = _source(call, request)
    context = call.context
    work = partial(
        load,
        request.goal_file,
        source=source,
        catalog=context.catalog,
        defaults=context.defaults(),
        read_text=context.read_text,
    )
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=context.loads)


async def load_to_check(call: Call, request: ApplyRequest) -> Loaded:
    """The same for a goal that is looked at once: what is not built is refused, each by name."""
    loaded = await load_submitted(call, request)
    if loaded.unbuilt:
        raise AdmissionRefused(loaded.unbuilt)
    return loaded


async def load_to_drive(call: Call, request: ApplyRequest) -> Loaded:
    """The same for a goal that is to be driven: a predicate that cannot be red is refused, or allowed by name."""
    loaded = await load_to_check(call, request)
    vacuous = cannot_be_red(loaded.findings)
    if vacuous and not request.allow_vacuous:
        raise AdmissionRefused([_vacuous(f) for f in vacuous])
    allowed = tuple(dict.fromkeys(PredicateId(f.predicate) for f in vacuous if f.predicate is not None))
    return replace(loaded, goal=replace(loaded.goal, vacuous_allowed=allowed)) if allowed else loaded


def unapprovable(call: Call, goal: Goal) -> list[Problem]:
    """Approvals that the goal needs and nobody here can ever give: refused, rather than waited for."""
    context = call.context
    why = unmeetable(goal, is_one_uid=context.place_mode != MODE_SYSTEM, given=context.roles())
    return [Problem(message=sentence, key="approval") for sentence in why]


def _vacuous(finding: LintFinding) -> Problem:
    why, _, instead = finding.why.partition("; instead: ")
    message = f'predicate "{finding.predicate}" cannot be red: {why} [{finding.code}]'
    return Problem(
        message=message, line=finding.line, hint=f"{instead}; or --allow-vacuous to take it as it is"
    )


def notices_of(loaded: Loaded) -> list[str]:
    """What a person should know of a goal that was taken: the loader's notices, then each doubt."""
    doubts = [
        f"{f.severity}: {f'{f.predicate}: ' if f.predicate else ''}{f.why} [{f.code}]"
        for f in loaded.findings
        if f.code != DEPRECATED_KIND  # the loader's notice says it already
    ]
    return [*loaded.notices, *doubts]


def _source(call: Call, request: ApplyRequest | LintRequest) -> Source:
    cwd, path = request.cwd, request.source_path
    if path is not None and not path.startswith("/"):
        if cwd is None:
            message = "must be absolute, or cwd must say from where"
            raise bad_request(f"source_path {message}", [ProblemItem(message=message, key="source_path")])
        path = posixpath.join(cwd, path)
    plain = Source(
        owner=call.caller.login,
        path=None if path is None else posixpath.normpath(path),
        caller_cwd=cwd,
        workspace_flag=request.workspace,
    )
    if isinstance(request, LintRequest):
        return plain
    return Source(
        owner=plain.owner,
        path=plain.path,
        caller_cwd=plain.caller_cwd,
        workspace_flag=plain.workspace_flag,
        standing_flag=request.standing,
        harness_flag=request.harness,
        model_flag=request.model,
        env_flag=request.env,
        caller_path=request.path or "",
    )
