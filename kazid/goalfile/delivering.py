"""`[integration]` and `[deploy]` as the loop reads them, and the predicates that they mean.

A deploy says how the commit that serves is read, for without that nobody could tell an old healthy version from the
new one. The environment asked for with `--env` is laid over the table before anything else is judged.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from kazid.core.delivery import DEPLOYED, LANDED, Deploy, Forge, Integration, Version
from kazid.core.goal import Cadence, Predicate
from kazid.core.ids import PredicateId
from kazid.core.json import Json
from kazid.goalfile import vocabulary
from kazid.goalfile.cadence import cadence_of
from kazid.goalfile.document import is_table
from kazid.goalfile.positions import Path
from kazid.goalfile.predicates import Context, Read, check_env, check_predicate_ids, read_predicates
from kazid.goalfile.problems import Problems, listed
from kazid.goalfile.sections import Sections
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Table, read_table

ENV_FLAG = "--env"
DEPLOYED_DEADLINE_S = 10.0
"""However often it is looked at: after the answer, the repository is asked."""
DEFAULT_REF = "release/{goal}/{short}"
_NOT_BRANCH = re.compile(r"[^A-Za-z0-9._-]+")
_PLACEHOLDERS = re.compile(r"\{(?!goal\}|commit\}|short\}|env\})")


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What a goal delivers, with the predicates of it in vector order."""

    integration: Integration | None = None
    deploy: Deploy | None = None
    layers: Sequence[Read] = ()
    predicates: Sequence[Predicate] = ()


def read_delivery(
    values: Mapping[str, object],
    sections: Sections,
    problems: Problems,
    context: Context,
    *,
    env_flag: str | None,
    has_code: bool,
    base: Path,
) -> Delivery:
    """Everything after the code: where the result goes, and what shows that it is there."""
    goal_id = sections.top.text("id") or ""
    integration = _integration(sections, problems, goal_id=goal_id)
    layers = _layers(values, problems, context, base=base)
    deploy = _deploy(values, sections, problems, layers, env_flag=env_flag, has_code=has_code, base=base)
    predicates: list[Predicate] = []
    if integration is not None:
        predicates.append(_landed(integration, standing=context.standing))
    predicates.extend(r.predicate for r in layers)
    if deploy is not None:
        predicates.append(_deployed(deploy, integration, context))
    return Delivery(integration=integration, deploy=deploy, layers=layers, predicates=predicates)


def default_branch(goal_id: str) -> str:
    """The branch a goal's result goes to when none is authored."""
    return f"task/{_NOT_BRANCH.sub('-', goal_id).strip('-')}"


def _integration(sections: Sections, problems: Problems, *, goal_id: str) -> Integration | None:
    table, scope = sections.tables["integration"], sections.tables["scope"]
    forge = _forge(table, problems)
    mode = table.text("mode") or "none"
    if mode == "none":
        return None
    return Integration(
        mode=mode,
        branch=table.text("branch") or default_branch(goal_id),
        base=table.text("base"),
        paths=scope.texts("write_paths") or scope.texts("paths"),
        message=sections.top.text("name") or goal_id,
        forge=forge,
        attempts=table.integer("attempts") or Integration(mode="", branch="").attempts,
        timeout_s=table.seconds("timeout") or Integration(mode="", branch="").timeout_s,
        checks_timeout_s=table.seconds("checks_timeout") or Integration(mode="", branch="").checks_timeout_s,
    )


def _forge(table: Table, problems: Problems) -> Forge:
    if not table.has("forge"):
        return Forge()
    path = (*table.path, "forge")
    forge = read_table(table.raw("forge"), vocabulary.FORGE, problems, path=path, what="integration.forge")
    url = forge.text("url") or ""
    kind = forge.text("kind") or ("rest" if url else "")
    if kind == "rest" and not (url.startswith(("http://", "https://")) and forge.text("repo")):
        problems.add(path, "integration.forge: a REST forge needs url (http or https) and repo (owner/name)")
    return Forge(
        kind=kind,
        url=url.rstrip("/"),
        repo=forge.text("repo") or "",
        token_env=forge.text("token_env") or "",
    )


def _layers(
    values: Mapping[str, object], problems: Problems, context: Context, *, base: Path
) -> Sequence[Read]:
    """`[[deploy.layer]]`: predicates like any other, judged from outside, in their order."""
    deploy = values.get("deploy")
    if not is_table(deploy) or "layer" not in deploy:
        return ()
    read = read_predicates(deploy["layer"], problems, context, path=(*base, "deploy", "layer"))
    for each in read:
        if each.predicate.guard or each.predicate.held_out:
            problems.add(each.path, f"layer {shown(each.predicate.id)} can be neither a guard nor held out")
        if each.predicate.id in (LANDED, DEPLOYED):
            problems.add(
                (*each.path, "id"), f"duplicate predicate id {shown(each.predicate.id)}: the daemon has it"
            )
    check_predicate_ids(read, problems)
    return [
        msgspec.structs.replace(
            each,
            predicate=msgspec.structs.replace(
                each.predicate, live=True, cadence=_live_cadence(each.table, context)
            ),
        )
        for each in read
    ]


def _deploy(
    values: Mapping[str, object],
    sections: Sections,
    problems: Problems,
    layers: Sequence[Read],
    *,
    env_flag: str | None,
    has_code: bool,
    base: Path,
) -> Deploy | None:
    plain = sections.tables["deploy"]
    if not plain.is_authored:
        if env_flag is not None:
            problems.add_option(ENV_FLAG, f"{shown(env_flag)}: the goal has no [deploy]")
        return None
    environments = _environments(values, problems, base=base)
    over = Table({})
    if env_flag is not None and env_flag not in environments:
        known = listed(environments) if environments else "none"
        problems.add_option(ENV_FLAG, f"unknown environment {shown(env_flag)}; declared: {known}")
    elif env_flag is not None:
        over = environments[env_flag]
    table = _Laid(over, plain)
    cmd = table.text("cmd")
    if cmd is None and env_flag is None and environments:
        problems.add(
            (*plain.path, "cmd"), f"deploy: say which environment, {ENV_FLAG} one of {listed(environments)}"
        )
    elif cmd is None and (env_flag is None or env_flag in environments):
        problems.add((*plain.path, "cmd"), 'deploy: missing required key "cmd"')
    version = _version(table, problems)
    ref = table.text("ref") or DEFAULT_REF
    if _PLACEHOLDERS.search(ref):
        message = f"deploy: ref {shown(ref)} has a placeholder that is none of {{goal}} {{commit}} {{short}} {{env}}"
        problems.add((*plain.path, "ref"), message)
    if (sections.tables["integration"].text("mode") or "none") == "none" and has_code:
        message = "deploy: what is deployed is a commit, so the goal's work has to be landed first"
        problems.add(
            plain.path, message, hint='write [integration] mode = "commit", "branch", "pr" or "merge"'
        )
    variables = {**plain.text_table("vars"), **over.text_table("vars")}
    check_env(variables, problems, path=(*plain.path, "vars"), what="deploy: vars")
    default = Deploy(cmd="")
    return Deploy(
        cmd=cmd or "",
        args=table.texts("args"),
        timeout_s=table.seconds("timeout") or default.timeout_s,
        rollback_cmd=table.text("rollback_cmd"),
        rollback_args=table.texts("rollback_args"),
        ref=ref,
        env_name=env_flag or "",
        vars=variables,
        attempts=table.integer("attempts") or default.attempts,
        version=version,
        layers=tuple(r.predicate.id for r in layers),
    )


class _Laid:
    """One table over another, key by key. A command that is replaced takes none of the other's arguments."""

    def __init__(self, over: Table, plain: Table) -> None:
        self._over, self._plain = over, plain

    def _of(self, key: str) -> Table:
        owner = key.replace("_args", "_cmd") if key.endswith("_args") else "cmd" if key == "args" else key
        versions = ("version", "version_cmd")
        names = versions if owner in versions else (owner,)
        return self._over if any(self._over.has(name) for name in (*names, key)) else self._plain

    def text(self, key: str) -> str | None:
        return self._of(key).text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        return self._of(key).texts(key)

    def seconds(self, key: str) -> float | None:
        return self._of(key).seconds(key)

    def integer(self, key: str) -> int | None:
        return self._of(key).integer(key)

    def table(self, key: str) -> tuple[Table, object]:
        owner = self._of(key)
        return owner, owner.raw(key)


def _environments(values: Mapping[str, object], problems: Problems, *, base: Path) -> dict[str, Table]:
    deploy = values.get("deploy")
    if not is_table(deploy) or "env" not in deploy:
        return {}
    path = (*base, "deploy", "env")
    if not is_table(deploy["env"]):
        problems.add(path, "deploy.env must be tables [deploy.env.NAME]")
        return {}
    return {
        name: read_table(raw, vocabulary.DEPLOY, problems, path=(*path, name), what=f"deploy.env.{name}")
        for name, raw in deploy["env"].items()
    }


def _version(table: _Laid, problems: Problems) -> Version:
    owner, raw = table.table("version")
    cmd = table.text("version_cmd")
    path = (*owner.path, "version")
    if (raw is None) == (cmd is None):
        hint = 'version = {url = "https://…/version", jsonpath = "$.commit"}, or header, or version_cmd'
        problems.add(path, "deploy: one of version and version_cmd says which commit is serving", hint=hint)
        return Version()
    if cmd is not None:
        return Version(cmd=cmd, args=table.texts("version_args"))
    read = read_table(raw, vocabulary.DEPLOY_VERSION, problems, path=path, what="deploy.version")
    url = read.text("url") or ""
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        problems.add((*path, "url"), f"deploy.version: {shown(url)} is not an http:// or https:// address")
    if (read.text("header") is None) == (read.text("jsonpath") is None):
        problems.add(path, "deploy.version: one of header and jsonpath names the commit")
    return Version(url=url, header=read.text("header") or "", jsonpath=read.text("jsonpath") or "")


def _landed(integration: Integration, *, standing: bool) -> Predicate:
    """The predicate of `[integration]`: the result is where it says."""
    nothing = Table({})
    options: dict[str, Json] = {"mode": integration.mode, "branch": integration.branch}
    if integration.base is not None:
        options["base"] = integration.base
    if integration.paths:
        options["paths"] = list(integration.paths)
    if integration.forge != Forge():
        options["forge"] = _plain(integration.forge)
    cadence = cadence_of(
        live=False, standing=standing, observe=nothing, own=nothing, samples_are_native=False
    )
    return Predicate(
        id=LANDED,
        provider="landed",
        cadence=cadence,
        live=False,
        description="the result is landed",
        options=options,
    )


def _deployed(deploy: Deploy, integration: Integration | None, context: Context) -> Predicate:
    options: dict[str, Json] = {"version": _plain(deploy.version)}
    if integration is not None:
        options |= {"mode": integration.mode, "branch": integration.branch}
        if integration.base is not None:
            options["base"] = integration.base
    if deploy.vars:
        options["vars"] = dict(deploy.vars)
    return Predicate(
        id=DEPLOYED,
        provider="deployed",
        cadence=msgspec.structs.replace(_live_cadence(Table({}), context), deadline_s=DEPLOYED_DEADLINE_S),
        live=True,
        description="the commit that is serving is the landed one",
        options=options,
    )


def _live_cadence(own: Table, context: Context) -> Cadence:
    return cadence_of(
        live=True, standing=context.standing, observe=context.observe, own=own, samples_are_native=False
    )


def _plain(value: Forge | Version) -> dict[str, Json]:
    """The keys that say something."""
    said: dict[str, Json] = msgspec.to_builtins(value)
    return {key: item for key, item in said.items() if item not in ("", [])}


def own_ids(delivery: Delivery) -> set[PredicateId]:
    """Ids that the daemon gives, and that no `[[predicate]]` may have."""
    return {p.id for p in delivery.predicates}
