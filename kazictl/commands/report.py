"""`kazictl report [--since DUR] [--format md|csv|json]`: gaps, age, drift and cost, by goal and by label."""

from urllib.parse import urlencode

from kazictl.arguments import usage_error
from kazictl.document import rows
from kazictl.durations import show_duration
from kazictl.session import Session
from kazictl.terminal import one_line
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document

FORMATS = ("md", "csv", "json")
COLUMNS = (
    "name", "goals", "statuses", "age_s", "predicates", "gaps", "drifts", "mended", "mended_s", "acts", "dispatches",
    "tokens", "cost_usd", "is_estimated",
)  # fmt: skip


def run(session: Session) -> int:
    """Ask once and print it as it was asked for."""
    arguments = session.arguments
    wanted = arguments.texts.get("format") or "md"
    if wanted not in FORMATS:
        raise usage_error(f"--format is one of {', '.join(FORMATS)}", hint=arguments.verb.usage)
    query = [("l", label) for label in arguments.labels]
    since_s = arguments.seconds.get("since")
    if since_s is not None:
        query.append(("since_s", str(since_s)))
    reply = session.client().get(f"{API_PREFIX}/report?{urlencode(query)}")
    if session.wants_json or wanted == "json":
        return session.emit_reply(reply, exit_code=exit_codes.OK)
    session.show(_csv(reply.document) if wanted == "csv" else _markdown(reply.document))
    return exit_codes.OK


def _markdown(document: "Document") -> "list[str]":
    since_s = float(document.get("until") or 0.0) - float(document.get("since") or 0.0)
    lines = [f"# Goals, the last {show_duration(since_s)}", ""]
    for title, key in (("By label", "labels"), ("By goal", "goals")):
        found = rows(document, key)
        if found:
            lines += [
                f"## {title}",
                "",
                *_table([*found, *([_total(document)] if key == "goals" else [])]),
                "",
            ]
    gaps = [(one_line(str(row.get("name"))), row.get("gaps") or ()) for row in rows(document, "goals")]
    open_gaps = [
        f"- {name}: {', '.join(one_line(str(gap)) for gap in found)}" for name, found in gaps if found
    ]
    return [*lines, "## Gaps", "", *(open_gaps or ["none"])]


def _total(document: "Document") -> "Document":
    total: Document = document.get("total") or {}
    return total


def _table(found: "list[Document]") -> "list[str]":
    head = ("name", "status", "age", "gaps", "drift", "mended in", "acts", "agents", "tokens", "USD")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in found:
        statuses: dict[str, int] = row.get("statuses") or {}
        cells = (
            row.get("name"),
            ", ".join(f"{n} {s}" if row.get("goals") != 1 else s for s, n in statuses.items()),
            show_duration(float(row.get("age_s") or 0.0)),
            f"{len(row.get('gaps') or ())} of {row.get('predicates')}",
            f"{row.get('drifts')}, {row.get('mended')} mended",
            "-" if row.get("mended_s") is None else show_duration(float(row["mended_s"])),
            row.get("acts"),
            row.get("dispatches"),
            "-" if row.get("tokens") is None else row.get("tokens"),
            _cost(row),
        )
        lines.append(f"| {' | '.join(one_line(str(cell)).replace('|', '/') for cell in cells)} |")
    return lines


def _cost(row: "Document") -> str:
    cost = row.get("cost_usd")
    about = "~" if row.get("is_estimated") else ""
    return "-" if cost is None else f"{about}{float(cost):.2f}"


def _csv(document: "Document") -> "list[str]":
    from csv import writer
    from io import StringIO

    text = StringIO()
    table = writer(text, lineterminator="\n")
    table.writerow(("by", *COLUMNS))
    for kind in ("label", "goal"):
        for row in rows(document, f"{kind}s"):
            table.writerow((kind, *(_cell(row, column) for column in COLUMNS)))
    return text.getvalue().splitlines()


def _cell(row: "Document", column: str) -> object:
    """One cell: never what a spreadsheet would take for a formula."""
    value: object = row.get(column)
    if column == "statuses":
        statuses: dict[str, int] = row.get(column) or {}
        value = " ".join(f"{key}={count}" for key, count in statuses.items())
    if column == "gaps":
        gaps: list[str] = row.get(column) or []
        value = "; ".join(gaps)
    if isinstance(value, bool):
        return "true" if value else "false"  # as in JSON
    if isinstance(value, str):
        value = one_line(value)
        return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value
    return value
