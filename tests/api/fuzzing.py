"""schemathesis against a running API, by its own OpenAPI document: every check it has, a bounded number of examples.

Follows are cut short and waits do not wait; a goal-file that is any string is allowed to be refused.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

CONFIG = """
request-timeout = 120.0
continue-on-failure = true
workers = 1
warnings = false

[generation]
max-examples = {max_examples}

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 403, 404, 409, 422]

[checks.negative_data_rejection]
expected-statuses = [400, 403, 404, 405, 408, 409, 413, 422]

[parameters]
"query.follow" = "false"
"query.timeout_s" = 0
{parameters}
"""
TIMEOUT_S = 600
COMMAND = Path(sys.executable).with_name("schemathesis")


def run_schemathesis(
    url: str,
    folder: Path,
    *,
    max_examples: int,
    phases: str = "coverage,fuzzing,stateful",
    parameters: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    explores: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Fuzz what `url`/openapi.json describes, but for the operations named in `without`. Exit code 0: nothing found.

    The same requests on every run, unless it `explores`.
    """
    fixed = "\n".join(f'"{name}" = "{value}"' for name, value in (parameters or {}).items())
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG.format(max_examples=max_examples, parameters=fixed))
    excluded = [option for name in without for option in ("--exclude-operation-id", name)]
    seed = [] if explores else ["--generation-deterministic"]
    target = [f"{url}/openapi.json", "--no-color", "--phases", phases, *seed, *excluded]
    command = [str(COMMAND), "--config-file", str(config), "run", *target]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
