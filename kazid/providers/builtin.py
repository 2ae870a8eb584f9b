"""The predicate kinds that are built, each with how its provider is made. A new provider is one line here.

`main` makes one of each and hands them to the observer by name; the catalog says which keys each takes.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from kazid.ports.provider import Provider
from kazid.providers.custom_script import CustomScript
from kazid.providers.http_probe import HttpProbe
from kazid.providers.ratchet import Ratchet
from kazid.providers.test_runner import TestRunner

BUILTIN: Mapping[str, Callable[[], Provider]] = MappingProxyType(
    {
        "custom_script": CustomScript,
        "http_probe": HttpProbe,
        "ratchet": Ratchet,
        "test_runner": TestRunner,
    }
)
