"""Tests against planted faults, in one process that has collected them: run by scripts/mutants.py in mutmut's copy.

    python mutant_runs.py REQUEST ANSWER -- PYTEST_ARGS

First every test runs once, and what functions it comes by is noted. Then each fault is switched on in a fork, where the
tests that come by its function run, the quickest first, until one fails. A fork that uses more than FAULT_CPU_S has
noticed the fault as well: nothing that loops for ever is green. Shrinking is off: that a test fails is enough here.
"""

import functools
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import mutmut.mutation.trampoline as trampoline
import pytest
from _pytest.runner import runtestprotocol

FAULT_CPU_S = 120.0
KILLED, SURVIVED, UNTESTED = "killed", "survived", "untested"


class Switch:
    """Which fault is on: (module, name of the mutant). `met` collects functions while it is not None."""

    fault: tuple[str, str] | None = None
    met: set[str] | None = None


def wrap_in_trampoline(mutants: dict[str, Callable[..., Any]], is_classmethod: bool = False) -> Any:
    """In place of mutmut's own, which asks the environment at every call."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        module = function.__module__

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            chosen = mutants["_mutmut_orig"]
            if Switch.met is not None:
                Switch.met.add(f"{module}.{chosen.__name__.removesuffix('__mutmut_orig')}")
            elif Switch.fault is not None and Switch.fault[0] == module:
                chosen = mutants.get(Switch.fault[1], chosen)
            if is_classmethod:
                return getattr(args[0], chosen.__name__)(*args[1:], **kwargs)
            return chosen(*args, **kwargs)

        return call

    return decorate


class Runs:
    """A plugin in place of pytest's loop over the tests."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.faults: list[str] = request["faults"]
        self.jobs: int = request["jobs"]
        self.outcomes: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        assert not session.testsfailed, "every test file loads"
        comes_by, took_s = self._first_run(session.items)
        waiting = list(reversed(self.faults))
        running: dict[int, str] = {}
        while waiting or running:
            while waiting and len(running) < self.jobs:
                fault = waiting.pop()
                tests = comes_by.get(fault.rpartition("__mutmut_")[0], [])
                if tests:
                    running[_forked(fault, sorted(tests, key=took_s.__getitem__))] = fault
                else:
                    self.outcomes[fault] = UNTESTED
            if running:
                pid, status = os.wait()
                self.outcomes[running.pop(pid)] = SURVIVED if status == 0 else KILLED
                if len(self.outcomes) % 20 == 0:
                    print(f"{len(self.outcomes)} of {len(self.faults)} faults", flush=True)
        return True

    def _first_run(
        self, items: Sequence[pytest.Item]
    ) -> tuple[dict[str, list[pytest.Item]], dict[pytest.Item, float]]:
        """Which tests come by which function, and the CPU seconds of each; all are green without a fault."""
        comes_by: dict[str, list[pytest.Item]] = {}
        took_s: dict[pytest.Item, float] = {}
        for item in items:
            Switch.met = set()
            began_s = time.process_time()
            if not _is_green(item):
                sys.exit(f"{item.nodeid} fails without any fault")
            took_s[item] = time.process_time() - began_s
            for function in Switch.met:
                comes_by.setdefault(function, []).append(item)
        Switch.met = None
        return comes_by, took_s


def _forked(fault: str, tests: Sequence[pytest.Item]) -> int:
    """Run these with the fault on, in a fork; its status is 0 when all are green."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.setitimer(signal.ITIMER_PROF, FAULT_CPU_S)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        module, _, name = fault.rpartition(".")
        Switch.fault = (module, name)
        status = 0 if all(_is_green(test) for test in tests) else 1
    finally:
        os._exit(status)


def _is_green(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def main() -> int:
    """Read the request, run, write the outcomes."""
    request_path, answer_path, _, *arguments = sys.argv[1:]
    trampoline.wrap_in_trampoline = wrap_in_trampoline
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile("faults", phases=phases, database=None)
    hypothesis.settings.load_profile("faults")
    sys.path.insert(0, str(Path.cwd()))
    random.seed(0)
    runs = Runs(json.loads(Path(request_path).read_text()))
    pytest.main(["--rootdir=.", "--tb=no", "--assert=plain", *arguments], plugins=[runs])
    Path(answer_path).write_text(json.dumps(runs.outcomes))
    return 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
