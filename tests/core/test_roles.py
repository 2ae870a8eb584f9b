"""Who may do what, as a table: roles, selections, owners."""

from collections.abc import Sequence

import pytest

from kazid.core.roles import Given, Grant, Need, Role, Target, grants_for, missing

WEB = {"team": "web"}
MINE, EVES, EVES_WEB = Target(owner="bob"), Target(owner="eve"), Target(owner="eve", labels={**WEB, "x": "y"})


def _grant(role: Role, *owners: str, labels: dict[str, str] | None = None) -> Grant:
    return Grant(role=role, owners=owners, labels=labels or {})


@pytest.mark.parametrize(
    ("need", "target", "grants", "is_allowed"),
    [
        pytest.param(Need.READ, MINE, [], True, id="an-owner-reads-without-a-role"),
        pytest.param(Need.STEER, MINE, [], True, id="an-owner-steers-without-a-role"),
        pytest.param(Need.SUBMIT, MINE, [], False, id="submitting-takes-a-role"),
        pytest.param(Need.APPROVE, MINE, [], False, id="an-owner-does-not-approve"),
        pytest.param(Need.EVIDENCE, EVES, [_grant(Role.ADMIN)], False, id="evidence-is-its-owners-alone"),
        pytest.param(Need.READ, EVES, [_grant(Role.APPROVER)], True, id="an-approver-reads"),
        pytest.param(Need.STEER, EVES, [_grant(Role.APPROVER)], False, id="an-approver-does-not-steer"),
        pytest.param(Need.APPROVE, EVES, [_grant(Role.ADMIN)], True, id="whether-it-counts-is-the-plans-to-say"),
        pytest.param(Need.APPROVE, EVES, [_grant(Role.VIEWER)], False, id="a-viewer-says-neither-yes-nor-no"),
        pytest.param(Need.STEER, EVES, [_grant(Role.VIEWER)], False, id="a-viewer-does-not-steer"),
        pytest.param(Need.STEER, EVES, [_grant(Role.OPERATOR, "eve")], True, id="selected-by-owner"),
        pytest.param(Need.STEER, EVES, [_grant(Role.OPERATOR, "ada")], False, id="not-of-that-owner"),
        pytest.param(Need.SUBMIT, MINE, [_grant(Role.OPERATOR, "@me")], True, id="of-ones-own"),
        pytest.param(Need.STEER, EVES, [_grant(Role.OPERATOR, "@me")], False, id="of-ones-own-only"),
        pytest.param(Need.STEER, EVES_WEB, [_grant(Role.OPERATOR, labels=WEB)], True, id="selected-by-label"),
        pytest.param(Need.STEER, EVES, [_grant(Role.OPERATOR, labels=WEB)], False, id="without-the-label"),
        pytest.param(
            Need.STEER, EVES_WEB, [_grant(Role.OPERATOR, "ada", labels=WEB)], False, id="both-have-to-match"
        ),
        pytest.param(Need.FLEET, None, [_grant(Role.OPERATOR)], True, id="all-goals-by-an-operator-for-all"),
        pytest.param(Need.FLEET, None, [_grant(Role.OPERATOR, "eve")], False, id="not-by-one-for-some"),
        pytest.param(Need.ADMIN, None, [_grant(Role.ADMIN, labels=WEB)], False, id="no-admin-for-some-goals"),
        pytest.param(Need.SUBMIT, None, [_grant(Role.OPERATOR, "@me")], True, id="submits-something-somewhere"),
        pytest.param(Need.PRESENCE, None, [], False, id="a-stranger-is-not-present"),
    ],
)  # fmt: skip
def test_what_is_missing(
    need: Need, target: Target | None, grants: Sequence[Grant], is_allowed: bool
) -> None:
    lacking = missing(need, target, grants, login="bob")
    assert (lacking is None) is is_allowed, lacking


def test_roles_are_given_to_users_and_to_groups() -> None:
    viewer, operator = Grant(role=Role.VIEWER), Grant(role=Role.OPERATOR)
    given = [Given(grant=viewer, groups=("kazi",)), Given(grant=operator, users=("bob",))]
    assert grants_for(given, login="bob", groups=("kazi",)) == (viewer, operator)
    assert grants_for(given, login="eve", groups=("kazi", "staff")) == (viewer,)
    assert grants_for(given, login="eve", groups=()) == ()
