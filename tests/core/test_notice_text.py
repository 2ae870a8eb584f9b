"""A message in words and as a CloudEvent: one line where one is needed, nothing that acts on who reads it."""

import msgspec
import pytest

from kazid.core.notice_text import LINES_SHOWN_MAX, SUBJECT_CHARS_MAX, cloud_event, subject, text
from kazid.core.receiver import Line, Message

T0 = 1_700_000_000.0


def a_line(what: str = "problem", **fields: object) -> Line:
    line = Line(what=what, uid="u", ref="ada/web", status="stuck", since_wall_s=T0, offset=3)
    return msgspec.structs.replace(line, **fields)


def a_message(*lines: Line, **fields: object) -> Message:
    return msgspec.structs.replace(Message(id="msg_1", at_wall_s=T0, lines=lines), **fields)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(a_line(cause="no_progress"), "ada/web is stuck (no_progress)", id="problem"),
        pytest.param(a_line("reminder"), "ada/web is still stuck", id="reminder"),
        pytest.param(a_line("escalated"), "nobody has it: ada/web is stuck", id="escalated"),
        pytest.param(a_line("resolved", status="holding"), "ada/web holds again (holding)", id="resolved"),
        pytest.param(a_line("ended", status="deleted", by="eve"), "ada/web was deleted by eve", id="deleted"),
        pytest.param(a_line("taken", by="eve"), "ada/web: somebody has it by eve", id="acknowledged"),
        pytest.param(a_line("news", status="converged"), "ada/web is converged", id="news"),
        pytest.param(a_line(status="approval"), "ada/web waits for approval", id="approval"),
        pytest.param(
            a_line("resolved", ref="incident", status="incident"), "incident is over", id="incident-over"
        ),
    ],
)
def test_one_line_says_it_all(line: Line, said: str) -> None:
    assert subject(a_message(line)) == f"kazid: {said}"
    assert text(a_message(line)).startswith(said)


def test_many_lines_are_counted_and_the_first_are_shown() -> None:
    message = a_message(*[a_line()] * 30, a_line("resolved"), more=4)
    assert subject(message) == "kazid: 30 stuck, 1 resolved, 4 more"
    shown = text(message)
    assert shown.count("ada/web is stuck") == LINES_SHOWN_MAX
    assert f"and {31 - LINES_SHOWN_MAX + 4} more" in shown


def test_nothing_in_a_subject_acts_on_a_mail_or_a_terminal() -> None:
    line = a_line(ref="ada/x\r\nBcc: eve@example.org\x1b[2J", cause="", reason="a\nb\x00c")
    assert subject(a_message(line)) == "kazid: ada/x Bcc: eve@example.org [2J is stuck"
    assert "why: a b c" in text(a_message(line))
    assert len(subject(a_message(a_line(ref="x" * 4096)))) == SUBJECT_CHARS_MAX


def test_duration_cost_and_the_audit_head_are_told() -> None:
    line = a_line("resolved", status="holding", duration_s=93_780.0, cost_usd=1.5, tokens=900)
    said = text(a_message(line, audit_head="9:ff", undelivered=2, quiet_until_wall_s=T0 + 3600))
    assert "after 1d 2h, cost $1.50, 900 tokens" in said
    assert "audit head 9:ff" in said
    assert "2 earlier messages reached nobody" in said
    assert "until 2023-11-14 23:13 UTC is gathered" in said


def test_a_cloud_event_is_the_same_bytes_at_every_try_and_has_what_the_standard_asks() -> None:
    message = a_message(a_line(), audit_head="9:ff")
    body = cloud_event(message, receiver="ops", source="/kazid/host")
    assert body == cloud_event(message, receiver="ops", source="/kazid/host")
    event = msgspec.json.decode(body)
    assert {k: event[k] for k in ("specversion", "id", "source", "type", "time", "subject")} == {
        "specversion": "1.0",
        "id": "msg_1",
        "source": "/kazid/host",
        "type": "kazid.notification.v1",
        "time": "2023-11-14T22:13:20.000Z",
        "subject": "ada/web",
    }
    assert event["data"]["lines"][0]["ref"] == "ada/web"
    assert event["data"]["audit_head"] == "9:ff"
