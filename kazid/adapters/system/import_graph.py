"""A program: who imports some Python modules, read by grimp. Started by `importers.py`, never imported by the daemon.

Nothing of what it reads is run or looked up on a path: packages are where its input says, so that a tree with a module
named like one of Python's own cannot have it imported. Bounded in memory and time by itself, too.

stdin: {"packages": {name: folder}, "modules": [name]}; stdout: {module: [[[importer, line], ...], depending]}.
"""

import json
import resource
import sys
from collections.abc import Mapping

MEMORY_BYTES_MAX = 2 * 1024**3
CPU_S_MAX = 10
EXIT_NOT_INSTALLED = 3


def main() -> int:
    """Answer what stdin asks."""
    for limit, most in ((resource.RLIMIT_AS, MEMORY_BYTES_MAX), (resource.RLIMIT_CPU, CPU_S_MAX)):
        resource.setrlimit(limit, (most, most))
    asked: dict[str, dict[str, str] | list[str]] = json.load(sys.stdin)
    packages, modules = asked["packages"], asked["modules"]
    assert isinstance(packages, Mapping), "folders by name"
    try:
        from grimp import build_graph
        from grimp.application.config import settings
    except ImportError:
        return EXIT_NOT_INSTALLED
    settings.configure(PACKAGE_FINDER=_Given(packages))
    graph = build_graph(*packages, cache_dir=None)
    answer: dict[str, object] = {}
    for module in modules:
        if module in graph.modules:
            by: list[tuple[str, int]] = []
            for importer in graph.find_modules_that_directly_import(module):
                details = graph.get_import_details(importer=importer, imported=module)
                by.append((importer, min((d["line_number"] for d in details), default=1)))
            answer[module] = (sorted(by), len(graph.find_downstream_modules(module)))
    sys.stdout.write(json.dumps(answer))
    return 0


class _Given:
    """Finds packages where they are said to be."""

    def __init__(self, packages: Mapping[str, str]) -> None:
        self._packages = packages

    def determine_package_directories(self, package_name: str, file_system: object) -> set[str]:
        """The folder of one package."""
        return {self._packages[package_name]}


if __name__ == "__main__":
    sys.exit(main())
