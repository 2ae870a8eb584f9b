"""The daemon's settings: what an operator wrote in `kazid.toml`, checked whole before anything starts.

Every key is documented in `config/kazid.toml`, which a test loads and compares. A bad file is one clear message with
every problem, and kazid does not start; on SIGHUP a bad file changes nothing and is logged.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tomli
from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from kazid.core.change_window import WindowRule
from kazid.core.duration import duration_s
from kazid.core.errors import StartRefused
from kazid.core.level import Level
from kazid.core.notice import ALERTING, APPROVAL, CANARY, INCIDENT, LOWERED, SETTLED
from kazid.core.owner_budget import OwnerBudget
from kazid.core.policy import Policy
from kazid.core.roles import Given, Grant, Role
from kazid.core.status import Cause

WINDOW_S_MIN, WINDOW_S_MAX = 60.0, 31 * 86_400.0
HEARTBEAT_S_MIN = 1.0
SYSTEM_SETTINGS = "/etc/kazi/kazid.toml"
PLAIN_WORDS = {
    "missing": "missing",
    "extra_forbidden": "there is no such key",
    "list_type": "must be a list; of tables each is written [[NAME]]",
}
"""For pydantic's own, where those speak of fields and inputs."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class HarnessSettings(_Table):
    """Which agent is used where a goal-file names none, and how long one may run."""

    default: str = "claude"
    idle_timeout_s: float = Field(default=600.0, gt=0)
    total_timeout_s: float = Field(default=3600.0, gt=0)


class DeclaredHarness(_Table):
    """An agent of one's own: a command line and how its output reads (`docs/add-a-harness.md`)."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    command: str = Field(min_length=1)
    base: str | None = None
    args: list[str] = []
    model_args: list[str] = []
    effort_args: list[str] = []
    prompt: Literal["stdin", "file", "argument"] = "stdin"
    output: Literal["text", "json", "jsonl"] = "text"
    report: dict[str, str] = {}
    env: dict[str, str] = {}
    env_names: list[str] = []
    credentials: list[str] = []
    config_homes: list[str] = []
    version_args: list[str] = ["--version"]


class RouteSettings(_Table):
    """Which agent works on what, where a goal-file names neither agent nor model: the first that fits."""

    words: list[str] = Field(default=[], alias="for")
    harness: str | None = Field(default=None, min_length=1)
    model: str | None = Field(default=None, min_length=1)
    effort: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _chooses(self) -> Self:
        if self.harness is None:
            raise ValueError("a route names a harness: models and efforts mean something to one of them only")
        return self


class CeilingSettings(_Table):
    """Applied to goals that can dispatch an agent and author no ceiling of their own; and what is reserved for one."""

    dispatches_per_episode: int = Field(default=10, gt=0)
    dispatches_per_day: int = Field(default=20, gt=0)
    tokens_per_dispatch: int = Field(default=200_000, gt=0)
    cost_usd_per_dispatch: float = Field(default=2.0, gt=0)


class ConcurrencySettings(_Table):
    """How much runs at once over all goals."""

    network_looks: int = Field(default=64, ge=4, le=1024)
    process_looks: int = Field(default=16, ge=4, le=256)
    process_looks_per_goal: int = Field(default=4, ge=1, le=64)
    remedies: int = Field(default=8, ge=1, le=64)
    remedies_per_owner: int | None = Field(default=None, ge=1, le=64)
    agents: int = Field(default=2, ge=1, le=64)
    agents_per_owner: int | None = Field(default=None, ge=1, le=64)
    agents_per_harness: int | None = Field(default=None, ge=1, le=64)


class RetentionSettings(_Table):
    """How much history is kept per goal; the fold never needs more than the last snapshot."""

    events_per_goal: int = Field(default=10_000, ge=1000)
    attempts_per_goal: int = Field(default=50, ge=1)
    deleted_days: int = Field(default=30, ge=1)
    refs_days: int = Field(default=30, ge=0)
    """States around attempts in the user's repository, once the goal holds; 0: for ever."""
    audit_days: int = Field(default=0, ge=0)
    """0: for ever."""


class CgroupSettings(_Table):
    """Where attempts get control groups (v2) of their own."""

    folder: str = Field(default="", pattern=r"^(|off|/.+)$")


class ApiSettings(_Table):
    """Where hooks are answered besides the socket."""

    listen: str = Field(default="", pattern=r"^(|(\[[0-9A-Fa-f:.]+\]|[^:\[\]/\s]+):[0-9]{1,5})$")


class LogSettings(_Table):
    """Logging to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class ParameterSettings(_Table):
    """One parameter of a kind: a key of the predicates that use it."""

    type: Literal["string", "integer", "number", "boolean", "duration", "strings"] = "string"
    required: bool = False
    default: bool | int | float | str | list[str] | None = None
    choices: list[str] = []
    help: str = ""


class KindSettings(_Table):
    """A predicate name of one's own: a base kind with options, in which {parameter} stands for a key."""

    name: str
    base: str
    summary: str = ""
    live: bool | None = None
    parameters: dict[str, ParameterSettings] = {}
    options: dict[str, Any] = {}


class RoleSettings(_Table):
    """A role, whom it is given to, and for which goals; no selection is every goal."""

    role: Literal["viewer", "operator", "approver", "admin"]
    users: list[str] = []
    groups: list[str] = []
    owners: list[str] = []
    labels: dict[str, str] = {}


class PolicySettings(_Table):
    """What goals may ask for at most; which: by owner, label, workspace and where they deploy to."""

    name: str = Field(min_length=1)
    owners: list[str] = []
    labels: dict[str, str] = {}
    paths: list[str] = []
    deploys_to: list[str] = []
    harnesses: list[str] | None = None
    models: list[str] | None = None
    environments: list[str] | None = None
    autonomy: Literal["observe", "propose", "approve", "act"] | None = None
    max_cost_usd: float | None = Field(default=None, gt=0)
    max_tokens: int | None = Field(default=None, gt=0)
    max_dispatches: int | None = Field(default=None, gt=0)
    max_dispatches_per_day: int | None = Field(default=None, gt=0)


class OwnerBudgetSettings(_Table):
    """What the agents of each owner may cost in a day, over all their goals; no owners: of every one."""

    owners: list[str] = []
    usd_per_day: float | None = Field(default=None, gt=0)
    tokens_per_day: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _caps_something(self) -> Self:
        if self.usd_per_day is None and self.tokens_per_day is None:
            raise ValueError("names neither usd_per_day nor tokens_per_day")
        return self


class WindowSettings(_Table):
    """When goals may act, or must not: from when `cron` fires, for `duration`."""

    name: str = Field(min_length=1)
    kind: Literal["allow", "deny"]
    cron: str
    duration: str
    zone: str = "UTC"
    owners: list[str] = []
    labels: dict[str, str] = {}

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, text: str) -> str:
        try:
            next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration):
            raise ValueError(f"{text!r} is not a cron expression that ever fires") from None
        return text

    @field_validator("duration")
    @classmethod
    def _is_duration(cls, text: str) -> str:
        seconds = duration_s(text)
        if seconds is None or not WINDOW_S_MIN <= seconds <= WINDOW_S_MAX:
            raise ValueError(f"{text!r} is not a duration from 1m to 31d")
        return text

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is no time zone that this machine knows") from None
        return name


_REFERENCE = r"(env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00]+|credential:[A-Za-z0-9][A-Za-z0-9_.-]*)"
Reference = Annotated[str, Field(pattern=f"^(|{_REFERENCE})$")]
"""Where a secret is; never the secret."""
TOLD_STATUSES = {s.value for s in ALERTING | SETTLED} | {INCIDENT, APPROVAL, CANARY, LOWERED}
TOLD_CAUSES = {c.value for c in Cause} | {"common_cause", "canary"}


class NotifySettings(_Table):
    """Who is told what, and how."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    kind: Literal["webhook", "mail", "command", "desktop", "apprise"]
    owners: list[str] = []
    labels: dict[str, str] = {}
    statuses: list[str] = []
    causes: list[str] = []
    group: str = "30s"
    remind: str = "4h"
    after: str = ""
    per_hour: int = Field(default=30, ge=1, le=1000)
    resolved: bool = True
    url: str = ""
    secret: Reference = ""
    smtp: str = Field(default="", pattern=r"^(|(\[[0-9A-Fa-f:.]+\]|[^:\[\]/\s]+):[0-9]{1,5})$")
    security: Literal["tls", "starttls", "none"] = "starttls"
    user: str = ""
    password: Reference = ""
    sender: str = Field(default="", pattern=r"^[^\r\n]*$")
    recipients: list[Annotated[str, Field(pattern=r"^[^\s,]+@[^\s,]+$")]] = []
    command: list[str] = []

    @field_validator("group", "remind", "after")
    @classmethod
    def _is_duration(cls, text: str) -> str:
        if text and duration_s(text) is None:
            raise ValueError(f"{text!r} is not a duration")
        return text

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        needed = {
            "webhook": ("url",),
            "apprise": ("url",),
            "mail": ("smtp", "sender", "recipients"),
            "command": ("command",),
        }.get(self.kind, ())
        missing = [key for key in needed if not getattr(self, key)]
        if missing:
            raise ValueError(f"{self.kind} needs {' and '.join(missing)}")
        if self.kind == "webhook" and not re.fullmatch(rf"(https?://\S+|{_REFERENCE})", self.url):
            raise ValueError(
                "url is http://…, https://…, or where it is: env:NAME, file:/PATH, credential:NAME"
            )
        if self.kind == "apprise" and not re.fullmatch(_REFERENCE, self.url):
            raise ValueError("an apprise url is a secret: env:NAME, file:/PATH or credential:NAME")
        unknown = [*(set(self.statuses) - TOLD_STATUSES), *(set(self.causes) - TOLD_CAUSES)]
        if unknown:
            raise ValueError(f"nobody is ever told of {', '.join(sorted(unknown))}")
        return self


class HeartbeatSettings(_Table):
    """A sign of life to a dead man's switch elsewhere; no url: none."""

    url: str = Field(default="", pattern=rf"^(|https?://\S+|{_REFERENCE})$")
    every: str = "5m"

    @field_validator("every")
    @classmethod
    def _is_duration(cls, text: str) -> str:
        if (duration_s(text) or 0.0) < HEARTBEAT_S_MIN:
            raise ValueError(f"{text!r} is not a duration of {HEARTBEAT_S_MIN:g}s or more")
        return text


class Settings(_Table):
    """All of `kazid.toml`."""

    admins: tuple[str, ...] = ()
    """Logins with the role admin on a system daemon; root needs none."""
    harness: HarnessSettings = HarnessSettings()
    ceilings: CeilingSettings = CeilingSettings()
    concurrency: ConcurrencySettings = ConcurrencySettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    cgroup: CgroupSettings = CgroupSettings()
    api: ApiSettings = ApiSettings()
    kind: list[KindSettings] = []
    window: list[WindowSettings] = []
    policy: list[PolicySettings] = []
    owner_budget: list[OwnerBudgetSettings] = []
    notify: list[NotifySettings] = []
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    role: list[RoleSettings] = [RoleSettings(role="viewer", groups=["kazi"])]
    route: list[RouteSettings] = []
    harnesses: list[DeclaredHarness] = []
    """`[[harness]]` tables with an `id`."""

    @field_validator("notify")
    @classmethod
    def _have_names(cls, tables: list[NotifySettings]) -> list[NotifySettings]:
        if len({table.name for table in tables}) < len(tables):
            raise ValueError("each [[notify]] has a name of its own")
        return tables


def policies(settings: Settings) -> Sequence[Policy]:
    """Every ceiling there is."""
    return [
        Policy(
            name=table.name,
            owners=table.owners,
            labels=table.labels,
            paths=table.paths,
            deploys_to=table.deploys_to,
            harnesses=table.harnesses,
            models=table.models,
            environments=table.environments,
            autonomy=None if table.autonomy is None else Level(table.autonomy),
            cost_usd_max=table.max_cost_usd,
            tokens_max=table.max_tokens,
            dispatches_max=table.max_dispatches,
            dispatches_per_day_max=table.max_dispatches_per_day,
        )
        for table in settings.policy
    ]


def owner_budgets(settings: Settings) -> Sequence[OwnerBudget]:
    """Every budget of an owner."""
    return [
        OwnerBudget(
            owners=tuple(table.owners), cost_usd_max=table.usd_per_day, tokens_max=table.tokens_per_day
        )
        for table in settings.owner_budget
    ]


def window_rules(settings: Settings) -> Sequence[WindowRule]:
    """Every change window there is."""
    return [
        WindowRule(
            name=table.name,
            is_allow=table.kind == "allow",
            cron=table.cron,
            duration_s=duration_s(table.duration) or WINDOW_S_MIN,
            zone=table.zone,
            owners=tuple(table.owners),
            labels=table.labels,
        )
        for table in settings.window
    ]


def given_roles(settings: Settings) -> Sequence[Given]:
    """Every role that is given, `admins` included."""
    tables = [Given(grant=Grant(role=Role.ADMIN), users=settings.admins)]
    return tables + [
        Given(
            grant=Grant(role=Role(table.role), owners=table.owners, labels=table.labels),
            users=table.users,
            groups=table.groups,
        )
        for table in settings.role
    ]


def load_settings(path: str | None) -> Settings:
    """The settings in this file, or the defaults when there is none.

    Raises StartRefused with every problem in one line each.
    """
    if path is None:
        return Settings()
    try:
        table = tomli.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise StartRefused(f"cannot read settings {path}: {error.strerror}") from error
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartRefused(f"settings {path}: {error}") from error
    if isinstance(table.get("admins"), list):
        table["admins"] = tuple(table["admins"])
    _part_harnesses(table)
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        problems = "; ".join(
            f"{_place(e['loc'])}: {PLAIN_WORDS.get(e['type'], e['msg'])}" for e in error.errors()
        )
        raise StartRefused(f"settings {path}: {problems}") from error


def _place(path: Sequence[str | int]) -> str:
    """`notify[1].kind`, counted from 1 as in a goal-file's problems."""
    parts = [f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def _part_harnesses(table: dict[str, Any]) -> None:
    """`[[harness]]` tables with an `id` declare agents; one without says what `[harness]` says."""
    if not isinstance(table.get("harness"), list):
        return
    entries: list[dict[str, Any]] = table["harness"]  # TOML has no other elements under `[[…]]`
    table["harnesses"] = [e for e in entries if "id" in e]
    own = [e for e in entries if "id" not in e]
    table["harness"] = own[0] if len(own) == 1 else own or {}


def settings_path(flag: str | None, *, is_system: bool, config_home: str) -> str | None:
    """Which file is read: the flag, else the mode's own when it exists."""
    if flag is not None:
        return flag
    candidate = Path(SYSTEM_SETTINGS) if is_system else Path(config_home) / "kazi" / "kazid.toml"
    return str(candidate) if candidate.exists() else None
