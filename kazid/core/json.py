"""JSON values as a type: evidence is JSON by construction, so no verdict is ever lost to an encoder.

At run time the alias is `Any`: msgspec cannot build a decoder for a recursive alias, and decodes `Any` from JSON into
nothing but JSON values.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Union

if TYPE_CHECKING:
    Json: TypeAlias = Union[None, bool, int, float, str, "Sequence[Json]", "Mapping[str, Json]"]
else:
    Json = Any
JsonObject: TypeAlias = Mapping[str, Json]
