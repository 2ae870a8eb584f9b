"""Who asks is the kernel's word, and what is meant the goal's name: nothing said in passing changes either."""

from urllib.parse import quote

import pytest

from tests.api.house import House

FORGED_HEADERS = [
    pytest.param({"X-Remote-User": "root"}, id="remote-user"),
    pytest.param({"X-Forwarded-User": "root", "X-Forwarded-For": "127.0.0.1"}, id="forwarded"),
    pytest.param({"Authorization": "Basic cm9vdDpyb290"}, id="basic"),
    pytest.param({"Authorization": "Bearer admin"}, id="bearer"),
    pytest.param({"Cookie": "user=root; role=admin"}, id="cookie"),
    pytest.param({"X-HTTP-Method-Override": "DELETE"}, id="method-override"),
    pytest.param({"X-Original-URL": "/v1/restart"}, id="another-path"),
]


@pytest.mark.parametrize("headers", FORGED_HEADERS)
def test_a_header_makes_nobody_somebody_else_and_no_verb_another(
    house: House, headers: dict[str, str]
) -> None:
    plain = house.call("GET", "/v1/goals")
    dressed = house.call("GET", "/v1/goals", headers=headers)
    assert (dressed.status, dressed.json) == (plain.status, plain.json)
    assert plain.status == 200


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("../../../etc/passwd", id="dots"),
        pytest.param("..%2f..%2fetc%2fpasswd", id="encoded-dots"),
        pytest.param("web%00.toml", id="nul"),
        pytest.param("web/../web", id="there-and-back"),
        pytest.param("%2e%2e", id="encoded-parent"),
        pytest.param("web%0d%0aX-Admin:%201", id="a-header-of-its-own"),
        pytest.param(quote("wéb" * 200), id="long-and-not-ascii"),
        pytest.param("0123456789abcdef", id="an-incarnations-id"),
        pytest.param("fleet", id="the-fleets-stream"),
        pytest.param("'; DROP TABLE audit; --".replace(" ", "%20"), id="a-statement"),
    ],
)
@pytest.mark.parametrize("suffix", ["", "/log", "/suspend", "/events"])
def test_an_id_that_is_no_goals_is_nobodys(house: House, name: str, suffix: str) -> None:
    method = "POST" if suffix == "/suspend" else "GET"
    answer = house.call(method, f"/v1/goals/@me/{name}{suffix}", {} if method == "POST" else None)
    assert answer.status in (400, 404, 405, 422), answer.json
    assert "x-admin" not in {key.lower() for key in answer.headers}
    assert house.get("/healthz").status == 200
