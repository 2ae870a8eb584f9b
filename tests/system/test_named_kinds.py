"""A `[[kind]]` of docs/operating.md in a real daemon: applied, tried, changed by SIGHUP, refused when it is wrong."""

import re
import signal
import subprocess
from pathlib import Path

from tests.system.house import BIN, ROOT, RealDaemon, eventually, free_port, write_goal

KIND, PREDICATE = re.findall(
    r"^```toml\n(.*?)^```$", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE | re.DOTALL
)[:2]


def test_a_kind_of_ones_own(base: Path) -> None:
    port = free_port()
    settings = base / "config" / "kazi" / "kazid.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(KIND.replace("8080", str(port)))
    daemon = RealDaemon(base, environment={"XDG_CONFIG_HOME": str(base / "config")})
    try:
        daemon.start()
        schema = daemon.json("schema", "shop_api")
        assert (schema["x-kazid-base"], schema["required"]) == ("http_probe", ["id", "provider", "path"])
        goal = write_goal(base, f'id = "shop"\nstanding = true\n{PREDICATE}')
        [tried] = daemon.json("try", str(goal))["predicates"]
        assert (tried["kind"], tried["provider"], tried["verdict"]) == ("shop_api", "http_probe", "fail")
        assert tried["evidence"]["url"] == f"http://127.0.0.1:{port}/basket"
        assert daemon.json("apply", str(goal), "--detach")["predicates"][0]["kind"] == "shop_api"

        settings.write_text(KIND.replace('"http_probe"', '"http_prob"'))
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "settings.refused" in daemon.log_tail(), within_s=60, what="the reason is logged")
        assert daemon.json("schema", "shop_api")["x-kazid-base"] == "http_probe", "nothing changed"
        settings.write_text(KIND.replace("shop_api", "shop"))
        daemon.process.send_signal(signal.SIGHUP)
        eventually(
            lambda: daemon.kazictl("schema", "shop").returncode == 0,
            within_s=60,
            what="the new name is known",
        )
        assert daemon.kazictl("schema", "shop_api").returncode != 0
        assert daemon.json("status", "shop")["predicates"][0]["kind"] == "shop_api", "what is applied stays"
    finally:
        daemon.end_everything()

    settings.write_text(KIND.replace("url =", "urll ="))
    refused = subprocess.run(
        [BIN / "kazid", "--state-dir", base / "state", "--config", settings],
        env=daemon.environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert refused.returncode == 2
    assert 'http_probe has no key "urll"; did you mean "url"?' in refused.stderr
    assert 'options lack "url"' in refused.stderr
