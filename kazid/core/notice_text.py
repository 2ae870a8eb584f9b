"""A message in words and as a CloudEvent: what a mail, a desktop and a webhook's receiver read. Pure.

The same message gives the same bytes at every try, so a signature and an id stay valid over retries. Text from checks
and people loses its control characters here: a subject is one line.
"""

from collections import Counter
from datetime import UTC, datetime

import msgspec

from kazid.core.json import Json
from kazid.core.notice import APPROVAL, INCIDENT, LOWERED
from kazid.core.receiver import Line, Message, incarnation

LINES_SHOWN_MAX = 20
"""In words; a webhook gets them all."""
SUBJECT_CHARS_MAX = 150
EVENT_TYPE = "kazid.notification.v1"


def subject(message: Message) -> str:
    """One line: the only thing told, or how many of what."""
    if len(message.lines) == 1 and not message.more:
        text = _headline(message.lines[0])
    else:
        counts = Counter(_word(line) for line in message.lines)
        text = ", ".join(f"{count} {word}" for word, count in counts.most_common())
        text += f", {message.more} more" if message.more else ""
    text = printable(f"kazid: {text}")
    return text if len(text) <= SUBJECT_CHARS_MAX else text[: SUBJECT_CHARS_MAX - 1] + "…"


def text(message: Message) -> str:
    """The message for people."""
    said = [_told(line) for line in message.lines[:LINES_SHOWN_MAX]]
    hidden = (
        len(message.lines) - LINES_SHOWN_MAX + message.more
        if len(message.lines) > LINES_SHOWN_MAX
        else message.more
    )
    if hidden > 0:
        said.append(f"… and {hidden} more; kazictl list")
    if message.undelivered:
        said.append(f"{message.undelivered} earlier messages reached nobody; see the daemon's log.")
    if message.quiet_until_wall_s is not None:
        said.append(
            f"Many messages: what comes until {_clock(message.quiet_until_wall_s)} is gathered into one."
        )
    if any(line.what in ("problem", "reminder", "escalated") for line in message.lines):
        said.append(
            "Have it: kazictl ack REF. See why: kazictl explain REF. Act again: kazictl resume REF --reason TEXT."
        )
    if message.audit_head:
        said.append(f"audit head {message.audit_head}")
    return "\n\n".join(said) + "\n"


def cloud_event(message: Message, *, receiver: str, source: str) -> bytes:
    """The message as a CloudEvent 1.0 in structured JSON."""
    data: dict[str, Json] = {
        "receiver": receiver,
        "subject": subject(message),
        "text": text(message),
        "lines": [_line(line) for line in message.lines],
        "more": message.more,
        "undelivered": message.undelivered,
        "audit_head": message.audit_head or None,
    }
    event: dict[str, Json] = {
        "specversion": "1.0",
        "id": message.id,
        "source": source,
        "type": EVENT_TYPE,
        "time": _rfc3339(message.at_wall_s),
        "subject": message.lines[0].ref if len(message.lines) == 1 else receiver,
        "datacontenttype": "application/json",
        "data": data,
    }
    return msgspec.json.encode(event)


def printable(words: str) -> str:
    """The words on one line, without what a terminal or a mail header would act on."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())


def _told(line: Line) -> str:
    said = [_headline(line)]
    if line.reason:
        said.append(f"  why: {printable(line.reason)}")
    facts = [f"since {_clock(line.since_wall_s)}"]
    if line.duration_s is not None:
        facts = [f"after {_span(line.duration_s)}"]
    if line.cost_usd is not None:
        facts.append(f"cost ${line.cost_usd:.2f}")
    if line.tokens is not None:
        facts.append(f"{line.tokens} tokens")
    if line.reminders and line.what in ("reminder", "escalated"):
        facts.append(f"told {line.reminders + 1} times")
    return "\n".join([*said, f"  {', '.join(facts)}"])


def _headline(line: Line) -> str:
    about = printable(line.ref)
    because = f" ({line.cause})" if line.cause and line.cause != line.status else ""
    by = f" by {printable(line.by)}" if line.by else ""
    match line.what:
        case "resolved":
            return f"{about} is over" if line.status == INCIDENT else f"{about} holds again ({line.status})"
        case "ended":
            return f"{about} was {line.status}{by}"
        case "taken":
            return f"{about}: somebody has it{by}"
        case "news":
            return f"{about} is {line.status}"
        case what:
            still = "still " if what == "reminder" else ""
            nobody = "nobody has it: " if what == "escalated" else ""
            stands = {
                APPROVAL: "waits for approval",
                LOWERED: f"{still}acts below its level for what its agent did",
            }.get(line.status, f"is {still}{line.status}{because}")
            return f"{nobody}{about} {stands}"


def _word(line: Line) -> str:
    match line.what:
        case "problem" | "escalated":
            return line.status
        case "reminder":
            return f"still {line.status}"
        case "taken":
            return "acknowledged"
        case "news":
            return line.status
        case what:
            return what


def _line(line: Line) -> dict[str, Json]:
    fields: dict[str, Json] = msgspec.to_builtins(line)
    del fields["uid"]
    del fields["since_wall_s"]
    return {**fields, "since": _rfc3339(line.since_wall_s), "incarnation": incarnation(line.uid)}


def _span(seconds: float) -> str:
    minutes, whole_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (whole_s, "s")]
    said = [f"{count}{unit}" for count, unit in parts if count]
    return " ".join(said[:2]) or "0s"


def _clock(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _rfc3339(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
