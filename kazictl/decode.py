"""JSON text to values, without what `import json` costs.

`json` imports `re`, and that is more than half of a bare interpreter's start. The scanner behind `json.loads` is C and
needs neither, so the verbs that must start fast call it directly, and fall back to `json` where it is missing.
Requests are encoded with `json`: the verbs that send one may take their time.
"""

from kazictl.document import is_object
from kazictl.failure import Failure
from kazid.wire import exit_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kazictl.document import Document

WHITESPACE = " \t\r\n"


class _Rules:
    """What the C scanner asks its caller for: the defaults of `json.loads`."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def _scanner() -> "Callable[[str, int], tuple[object, int]]":
    try:
        from _json import make_scanner

        scan: Callable[[str, int], tuple[object, int]] = make_scanner(_Rules)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        return scan
    except (ImportError, AttributeError, TypeError):  # another interpreter, or a newer one that asks for more
        from json import JSONDecoder

        return JSONDecoder().raw_decode


def decode(text: str) -> object:
    """The value that `json.loads(text)` gives; ValueError where it raises one."""
    stripped = text.strip(WHITESPACE)
    try:
        value, end = _scanner()(stripped, 0)
    except StopIteration:
        raise ValueError("not a JSON document") from None
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    if end != len(stripped):
        raise ValueError("more than one JSON document")
    return value


def decode_object(text: bytes) -> "Document":
    """The JSON object in these bytes; a reply that is none is a Failure, for it is not kazid that answered."""
    try:
        value = decode(text.decode("utf-8", "replace"))
    except ValueError:
        value = None
    if not is_object(value):
        raise Failure(
            "the reply is not a JSON object",
            exit_code=exit_codes.ERROR,
            kind="protocol",
            hint="is it kazid that listens on this socket? kazictl version shows both versions",
        )
    return value
