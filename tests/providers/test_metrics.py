"""`metrics`: numbers of Prometheus decide, no data decides nothing, and Prometheus itself is only the instrument."""

import contextlib
import json
import math
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict
from kazid.providers.formats.prometheus import BadAnswer, Bucket, NoData, histogram_quantile, read_vector
from kazid.providers.http_exchange import Answer
from kazid.providers.http_failure import NoAnswer
from kazid.providers.kinds.live_kinds import METRICS
from kazid.providers.metrics import ANSWER_BYTES_MAX, Metrics, MetricsOptions, interpret
from tests.providers.loopback import Loopback, serving
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as loopback:
        yield loopback


class TestContract(ProviderContract):
    kind = METRICS
    keys = ("query_url", "query", "pass_when", "quantile", "burn_rate", "direction", "headers", "timeout_ms")

    @pytest.fixture(autouse=True)
    def _made(self, server: Loopback) -> None:
        self.provider = Metrics()
        self.commands = ScriptedCommandRunner()
        self.passing = {"query_url": server.url("/prom/7"), "query": "up", "pass_when": "== 7"}
        self.failing = {"query_url": server.url("/prom/7"), "query": "up", "pass_when": "< 7"}
        self.erring = {"query_url": "http://127.0.0.1:1", "query": "up", "pass_when": "== 1"}
        self.hanging = {"query_url": server.url("/blackhole?"), "query": "up", "pass_when": "== 1"}


def answered(*samples: tuple[Mapping[str, str], str], kind: str = "vector", status_code: int = 200) -> Answer:
    result: Any = [{"metric": labels, "value": [1, value]} for labels, value in samples]
    if kind == "scalar":
        result = [1, samples[0][1]]
    document = {"status": "success", "data": {"resultType": kind, "result": result}}
    return Answer(status_code=status_code, body=json.dumps(document).encode())


def buckets(**counts: str) -> Answer:
    return answered(
        *(
            ({"le": le.removeprefix("le").replace("_", ".").replace("inf", "+Inf")}, n)
            for le, n in counts.items()
        )
    )


ONE, TWO = {"job": "a"}, {"job": "b"}
SCALAR: dict[str, Any] = {"query": "q", "pass_when": "< 10"}
HALF: dict[str, Any] = {"query": "q", "pass_when": "<= 0.3", "quantile": 0.5}
BURN: dict[str, Any] = {"burn_rate": {"long": "l", "short": "s", "threshold": 2}}


@pytest.mark.parametrize(
    ("options", "answers", "expected", "score"),
    [
        pytest.param(SCALAR, [answered(({}, "4"))], "pass", 4.0, id="holds"),
        pytest.param(SCALAR, [answered(({}, "4"), kind="scalar")], "pass", 4.0, id="a-scalar"),
        pytest.param(SCALAR, [answered(({}, "12"))], "fail not_met", 12.0, id="does-not-hold"),
        pytest.param(SCALAR, [answered((ONE, "4"), (TWO, "12"))], "fail not_met", 12.0, id="one-of-two-does-not"),
        pytest.param(SCALAR, [answered()], "unknown no_data", None, id="an-empty-vector"),
        pytest.param(SCALAR, [answered(({}, "NaN"))], "unknown no_data", None, id="nan"),
        pytest.param({**SCALAR, "pass_when": "> 1"}, [answered(({}, "+Inf"))], "unknown no_data", None, id="infinite"),
        pytest.param(SCALAR, [answered((ONE, "4"), (TWO, "NaN"))], "unknown no_data", None, id="one-of-two-is-nan"),
        pytest.param(SCALAR, [answered((ONE, "14"), (TWO, "NaN"))], "fail not_met", 14.0, id="red-beside-nan"),
        pytest.param(HALF, [buckets(le0_1="10", le0_5="90", leinf="100")], "fail not_met", 0.1 + 0.2, id="quantile"),
        pytest.param(HALF, [buckets(le0_1="90", leinf="100")], "pass", 0.1 * 50 / 90, id="in-the-first-bucket"),
        pytest.param(HALF, [buckets(le0_1="10", leinf="100")], "pass", 0.1, id="in-the-last-bucket"),
        pytest.param(HALF, [buckets(le0_1="0", leinf="0")], "unknown no_data", None, id="nothing-observed"),
        pytest.param(HALF, [answered()], "unknown no_data", None, id="no-buckets"),
        pytest.param(HALF, [buckets(le0_1="1", le0_5="2")], "error unusable_buckets", None, id="no-last-bucket"),
        pytest.param(HALF, [buckets(leinf="2")], "error unusable_buckets", None, id="one-bucket"),
        pytest.param(HALF, [answered(({"le": "x"}, "1"))], "error unparseable_le", None, id="no-bound"),
        pytest.param(
            HALF, [answered(({"le": "1", **ONE}, "1"), ({"le": "1", **TWO}, "2"))], "error several_histograms", None,
            id="several-histograms",
        ),
        pytest.param(BURN, [answered(({}, "3")), answered(({}, "4"))], "fail burning", 4.0, id="both-burn"),
        pytest.param(BURN, [answered(({}, "3")), answered(({}, "0.4"))], "pass", 3.0, id="it-burned"),
        pytest.param(BURN, [answered(({}, "0")), answered(({}, "9"))], "pass", 9.0, id="a-flare"),
        pytest.param(BURN, [answered(({}, "2")), answered(({}, "2"))], "fail burning", 2.0, id="at-the-threshold"),
        pytest.param(BURN, [answered(({}, "0")), answered()], "unknown no_data", None, id="a-window-without-data"),
        pytest.param(
            BURN, [answered((ONE, "3"), (TWO, "0")), answered((ONE, "0"), (TWO, "9"))], "pass", 3.0,
            id="two-series-each-in-one-window",
        ),
        pytest.param(
            BURN, [answered((ONE, "3"), (TWO, "0")), answered((ONE, "5"), (TWO, "9"))], "fail burning", 5.0,
            id="one-series-in-both",
        ),
        pytest.param(SCALAR, [answered(({}, "4"), status_code=503)], "error http_status", None, id="not-2xx"),
        pytest.param(SCALAR, [Answer(status_code=200, body=b"<html>")], "error invalid_json", None, id="no-json"),
        pytest.param(SCALAR, [Answer(status_code=200, body=b"[" * 100_000)], "error invalid_json", None, id="a-bomb"),
        pytest.param(SCALAR, [Answer(status_code=200, body=b"[]")], "error invalid_answer", None, id="another-api"),
        pytest.param(
            SCALAR, [Answer(status_code=200, body=b'{"status":"error"}')], "error query_failed", None, id="no-success"
        ),
        pytest.param(
            SCALAR, [Answer(status_code=200, body=b" " * (ANSWER_BYTES_MAX + 1))], "error answer_too_long", None,
            id="long",
        ),
        pytest.param(SCALAR, [answered(({}, "4"), kind="matrix")], "error unsupported_result", None, id="a-range"),
        pytest.param(
            SCALAR, [NoAnswer(is_unreachable=True, reason="unreachable", detail="refused")], "error unreachable", None,
            id="prometheus-is-down",
        ),
    ],
)  # fmt: skip
def test_an_answer_means(
    options: Mapping[str, Any], answers: list[Answer | NoAnswer], expected: str, score: float | None
) -> None:
    read = msgspec.convert({"query_url": "http://p.invalid", **options}, MetricsOptions)
    verdict = interpret(answers, read)
    assert " ".join(filter(None, (verdict.status.value, verdict.reason))) == expected
    assert verdict.score == (score if score is None else pytest.approx(score))
    assert verdict.status is Status.PASS or verdict.detail
    msgspec.json.encode(verdict)


async def test_no_endpoint_is_not_applicable() -> None:
    verdict = await Metrics().evaluate(
        {"query": "up", "pass_when": "== 1"}, a_look(Path("/")), ScriptedCommandRunner()
    )
    assert (verdict.status, verdict.reason) == (Status.UNKNOWN, "not_applicable")


WORDS = st.sampled_from(
    ["status", "data", "result", "resultType", "value", "metric", "le", "success", "vector"]
)
DOCUMENTS = st.recursive(
    st.none() | WORDS | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner)
)


@given(st.text() | DOCUMENTS.map(json.dumps))
def test_no_answer_crashes_the_reader(text: str) -> None:
    with contextlib.suppress(BadAnswer):
        assert all(isinstance(sample.value, float) for sample in read_vector(text).samples)


@given(
    st.floats(0, 1),
    st.lists(
        st.tuples(st.floats(-10, 10), st.floats(0, 1e6)), min_size=1, max_size=8, unique_by=lambda b: b[0]
    ),
)
def test_a_quantile_is_a_number_between_the_bounds(q: float, found: list[tuple[float, float]]) -> None:
    bounds, count, made = sorted(bound for bound, _ in found), 0.0, []
    for bound, (_, more) in zip(bounds, found, strict=True):
        count += more
        made.append(Bucket(bound=bound, count=count))
    try:
        value = histogram_quantile(q, [*made, Bucket(bound=math.inf, count=count)])
    except NoData:
        assert count == 0
    else:
        assert min(0.0, bounds[0]) <= value <= max(bounds[-1], 0.0)


PROMETHEUS = shutil.which("prometheus")
EXPOSITION = (
    "# TYPE load gauge\nload 0.5\n# TYPE nothing gauge\nnothing NaN\n# TYPE took histogram\n"
    'took_bucket{le="0.1"} 10\ntook_bucket{le="0.5"} 90\ntook_bucket{le="+Inf"} 100\ntook_sum 30\ntook_count 100\n'
)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that scrapes numbers we know, five times a second."""
    if PROMETHEUS is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving() as target:
        target.exposition = EXPOSITION.encode()
        (folder / "prometheus.yml").write_text(
            "scrape_configs:\n- job_name: t\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n"
            f"  static_configs:\n  - targets: ['127.0.0.1:{target.port}']\n"
        )
        program = [
            PROMETHEUS, "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error",
            f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        with subprocess.Popen(program, cwd=folder, stderr=subprocess.DEVNULL) as process:
            try:
                _wait_for_data(f"http://127.0.0.1:{port}/api/v1/query?query=load")
                yield f"http://127.0.0.1:{port}/"
            finally:
                process.terminate()


def _wait_for_data(url: str) -> None:
    ends_s = time.monotonic() + 20
    while True:
        try:
            if httpx.get(url, trust_env=False).json()["data"]["result"]:
                return
        except (httpx.HTTPError, ValueError, KeyError):
            pass
        assert time.monotonic() < ends_s, "prometheus has nothing to say"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("options", "expected", "score"),
    [
        ({"query": "load", "pass_when": "< 0.6"}, "pass", 0.5),
        ({"query": "load", "pass_when": "> 0.6"}, "fail not_met", 0.5),
        ({"query": "scalar(load)", "pass_when": "== 0.5"}, "pass", 0.5),
        ({"query": "no_such_metric", "pass_when": "== 0"}, "unknown no_data", None),
        ({"query": "nothing", "pass_when": "== 0"}, "unknown no_data", None),
        ({"query": "load / 0", "pass_when": "> 0"}, "unknown no_data", None),
        ({"query": "load[1m]", "pass_when": "> 0"}, "error unsupported_result", None),
        ({"query": "load {", "pass_when": "> 0"}, "error http_status", None),
        ({"query": "took_bucket", "quantile": 0.5, "pass_when": "<= 0.3"}, "fail not_met", 0.30000000000000004),
        ({"query": "sum by (le) (took_bucket)", "quantile": 0.05, "pass_when": "<= 0.05"}, "pass", 0.05),
        ({"burn_rate": {"long": "load * 4", "short": "load * 6", "threshold": 2}}, "fail burning", 3.0),
        ({"burn_rate": {"long": "load * 4", "short": "load", "threshold": 2}}, "pass", 2.0),
        ({"burn_rate": {"long": "load * 4", "short": "no_such_metric", "threshold": 2}}, "unknown no_data", None),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
async def test_a_real_prometheus_is_understood(
    prometheus: str, options: Mapping[str, Json], expected: str, score: float | None
) -> None:
    verdict: Verdict = await Metrics().evaluate(
        {"query_url": prometheus, **options}, a_look(Path("/")), ScriptedCommandRunner()
    )
    assert " ".join(filter(None, (verdict.status.value, verdict.reason))) == expected, verdict
    assert verdict.score == (None if score is None else pytest.approx(score))
    assert score is None or verdict.direction is Direction.LOWER_BETTER


async def test_our_quantile_is_prometheus_own(prometheus: str) -> None:
    for q in (0.05, 0.1, 0.5, 0.9, 0.95, 1):
        theirs = httpx.get(
            f"{prometheus}api/v1/query",
            params={"query": f"histogram_quantile({q}, took_bucket)"},
            trust_env=False,
        ).json()["data"]["result"][0]["value"][1]
        verdict = await Metrics().evaluate(
            {"query_url": prometheus, "query": "took_bucket", "quantile": q, "pass_when": ">= 0"},
            a_look(Path("/")),
            ScriptedCommandRunner(),
        )
        assert verdict.score == pytest.approx(float(theirs))
