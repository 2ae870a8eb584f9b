"""A message in words and as a CloudEvent: one line where one is needed, nothing that acts on who reads it."""

import msgspec
import pytest

from kazid.core.notice_text import LINES_SHOWN_MAX, SUBJECT_CHARS_MAX, cloud_event, subject, text
from kazid.core.receiver import OF_ITS_LOWERING, Line, Message

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
            a_line(status="lowered"), "ada/web acts below its level for what its agent did", id="lowered"
        ),
        pytest.param(
            a_line("reminder", status="lowered"),
            "ada/web still acts below its level for what its agent did",
            id="still-lowered",
        ),
        pytest.param(
            a_line("ended", status="restored", by="pia"), "ada/web was restored by pia", id="restored"
        ),
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


def test_whose_lowering_it_is_is_told_by_the_goals_own_uid() -> None:
    line = a_line(uid=f"u{OF_ITS_LOWERING}", status="lowered")
    event = msgspec.json.decode(cloud_event(a_message(line), receiver="ops", source="/kazid/host"))
    assert event["data"]["lines"][0]["incarnation"] == "u"


@pytest.mark.parametrize(
    ("lines", "more", "said"),
    [
        pytest.param([a_line()], 2, "1 stuck, 2 more", id="one-and-more"),
        pytest.param([a_line(), a_line("escalated")], 0, "2 stuck", id="no-more"),
        pytest.param([a_line("reminder"), a_line()], 0, "1 still stuck, 1 stuck", id="reminded"),
        pytest.param([a_line("taken"), a_line("taken")], 0, "2 acknowledged", id="taken"),
        pytest.param(
            [a_line("news", status="holding"), a_line("ended", status="deleted")],
            0,
            "1 holding, 1 ended",
            id="news",
        ),
    ],
)
def test_several_lines_are_counted_by_what_they_say(lines: list[Line], more: int, said: str) -> None:
    assert subject(a_message(*lines, more=more)) == f"kazid: {said}"


@pytest.mark.parametrize(
    ("lines", "more", "hidden"),
    [
        pytest.param(LINES_SHOWN_MAX, 0, 0, id="as-many-as-are-shown"),
        pytest.param(LINES_SHOWN_MAX + 1, 0, 1, id="one-more"),
        pytest.param(1, 0, 0, id="one"),
        pytest.param(1, 1, 1, id="one-that-is-not-in-the-message"),
        pytest.param(LINES_SHOWN_MAX + 2, 3, 5, id="both"),
    ],
)
def test_what_is_not_shown_is_counted(lines: int, more: int, hidden: int) -> None:
    said = text(a_message(*[a_line("news")] * lines, more=more))
    assert said.count("ada/web is stuck") == min(lines, LINES_SHOWN_MAX)
    assert (f"… and {hidden} more; kazictl list" in said) is (hidden > 0)
    assert ("kazictl list" in said) is (hidden > 0)


@pytest.mark.parametrize("what", ["problem", "reminder", "escalated", "resolved", "ended", "taken", "news"])
def test_who_may_have_to_act_is_told_how(what: str) -> None:
    said = text(a_message(a_line(what)))
    how = (
        "Have it: kazictl ack REF. See why: kazictl explain REF. Act again: kazictl resume REF --reason TEXT."
    )
    assert (f"\n\n{how}\n" in said) is (what in {"problem", "reminder", "escalated"})


def test_a_line_is_told_in_full_and_nothing_is_put_around_it(far_east: None) -> None:
    line = a_line("ended", status="stopped", by="eve", reason="over")
    assert text(a_message(line)) == (
        "ada/web was stopped by eve\n  why: over\n  since 2023-11-14 22:13 UTC\n"
    )
    assert text(a_message(msgspec.structs.replace(line, by=""), audit_head="9:ff")) == (
        "ada/web was stopped\n  why: over\n  since 2023-11-14 22:13 UTC\n\naudit head 9:ff\n"
    )


@pytest.mark.parametrize(
    ("what", "reminders", "told"),
    [
        pytest.param("reminder", 1, ", told 2 times", id="reminded"),
        pytest.param("escalated", 3, ", told 4 times", id="escalated"),
        pytest.param("escalated", 0, "", id="not-reminded-before"),
        pytest.param("resolved", 3, "", id="over"),
    ],
)
def test_how_often_it_was_told_is_said_while_nobody_has_it(what: str, reminders: int, told: str) -> None:
    said = text(a_message(a_line(what, reminders=reminders)))
    assert said.splitlines()[1] == f"  since 2023-11-14 22:13 UTC{told}"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0s"),
        (0.6, "1s"),
        (59.0, "59s"),
        (60.0, "1m"),
        (61.0, "1m 1s"),
        (3600.0, "1h"),
        (3661.0, "1h 1m"),
        (86_400.0, "1d"),
        (90_061.0, "1d 1h"),
        (86_460.0, "1d 1m"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, said: str) -> None:
    assert f"  after {said}\n" in text(a_message(a_line("resolved", duration_s=seconds)))


def test_a_cloud_event_has_the_message_for_programs_and_for_people(far_east: None) -> None:
    message = a_message(a_line(reason="r"), a_line("resolved"), more=3, undelivered=2)
    event = msgspec.json.decode(cloud_event(message, receiver="ops", source="/kazid/host"))
    assert (event["subject"], event["datacontenttype"]) == ("ops", "application/json")
    data = event["data"]
    lines = data.pop("lines")
    assert data == {
        "receiver": "ops",
        "subject": subject(message),
        "text": text(message),
        "more": 3,
        "undelivered": 2,
        "audit_head": None,
    }
    assert lines[0] == {
        "what": "problem",
        "ref": "ada/web",
        "status": "stuck",
        "offset": 3,
        "reason": "r",
        "since": "2023-11-14T22:13:20.000Z",
        "incarnation": "u",
    }


@pytest.mark.parametrize(("length", "is_cut"), [(0, False), (1, True)], ids=["at-the-bound", "beyond"])
def test_a_subject_at_its_bound_is_left_whole(length: int, is_cut: bool) -> None:
    room = SUBJECT_CHARS_MAX - len(subject(a_message(a_line(ref=""))))
    said = subject(a_message(a_line(ref="x" * (room - 1 + length))))
    assert len(said) == SUBJECT_CHARS_MAX
    assert said.endswith("…") is is_cut
