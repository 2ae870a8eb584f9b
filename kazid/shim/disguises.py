"""How else a secret may be written: the forms in which a known value is looked for, too, and the canary's own.

Stdlib only. A form is a literal; what it stands beside does not matter, so base64 is cut to the characters that the
value alone decides, at each of its three alignments. What is compressed or encrypted is found by nobody.
"""

import base64
import codecs
import hashlib
import re
from urllib.parse import quote

CANARY_NAME = "KAZI_CANARY_TOKEN"
"""The variable that each dispatch is given: worth nothing, in no file, and so an alarm wherever it turns up."""
CANARY_PREFIX = "kazi-canary-"
CANARY_DIGITS = 32


_ESCAPED = (r"\\", r"\\\\")
"""A backslash as JSON writes it, and as JSON within JSON does."""


def canary_of(attempt_id: str) -> str:
    """The canary of one attempt; the same for whoever asks again after a restart."""
    return CANARY_PREFIX + hashlib.sha256(f"canary {attempt_id}".encode()).hexdigest()[:CANARY_DIGITS]


def disguises(value: str) -> set[str]:
    """The value's other forms, without the value itself."""
    data = value.encode("utf-8", "surrogateescape")
    once = base64.b64encode(data).rstrip(b"=")
    digits = data.hex()
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    found = {
        *_base64_cores(data),
        *_base64_cores(once),
        *(form for escaped in (quote(data, safe=""),) for form in (escaped, _lower_escapes(escaped))),
        base64.b32encode(data).decode().rstrip("="),
        value[::-1],
        value.upper(),
        value.lower(),
        value.swapcase(),
        codecs.encode(value, "rot13"),
        " ".join(value),
    }
    for form in (pairs, [pair.upper() for pair in pairs]):
        found |= {"".join(form), ":".join(form), " ".join(form), "".join(f"%{pair}" for pair in form)}
        found |= {"".join(f"\\x{pair}" for pair in form), "".join(f"\\u00{pair}" for pair in form)}
        found |= {"".join(f"&#x{pair};" for pair in form)}
    found |= {"".join(f"&#{byte};" for byte in data), "".join(f"\\{byte:03o}" for byte in data)}
    found |= {form.replace("\\", more) for form in found for more in _ESCAPED if "\\" in form}
    return found - {value, ""}


def _base64_cores(data: bytes) -> set[str]:
    """What base64 makes of these bytes wherever they begin, in both alphabets."""
    found: set[str] = set()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data)
        core = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6].decode()
        found |= {core, core.replace("+", "-").replace("/", "_")}
    return found


def _lower_escapes(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), text)


def _canary_pattern() -> re.Pattern[str]:
    """A canary in its usual forms, whichever attempt's it is: its prefix tells."""
    rest = {
        CANARY_PREFIX: f"[0-9a-f]{{{CANARY_DIGITS}}}",
        CANARY_PREFIX.upper(): f"[0-9A-F]{{{CANARY_DIGITS}}}",
        codecs.encode(CANARY_PREFIX, "rot13"): f"[0-9n-s]{{{CANARY_DIGITS}}}",
        " ".join(CANARY_PREFIX): f"(?: [0-9a-f]){{{CANARY_DIGITS}}}",
    }
    forms = [re.escape(start) + more for start, more in rest.items()]
    forms.append(f"[0-9a-f]{{{CANARY_DIGITS}}}" + re.escape(CANARY_PREFIX[::-1]))
    data = CANARY_PREFIX.encode()
    forms += [re.escape(core) + r"[A-Za-z0-9+/_=-]{20,}" for core in sorted(_base64_cores(data))]
    twice = sorted(_base64_cores(base64.b64encode(data)))
    forms += [re.escape(core) + r"[A-Za-z0-9+/_=-]{20,}" for core in twice]
    forms.append(re.escape(base64.b32encode(data[:10]).decode().rstrip("=")) + "[A-Z2-7]{20,}")
    for lead, tail in (
        ("", ""),
        ("", ":"),
        ("", " "),
        ("%", ""),
        (r"\\+x", ""),
        (r"\\+u00", ""),
        ("&#x", ";"),
    ):
        body = tail.join(f"{lead}{byte:02x}" for byte in data)
        forms.append(
            f"(?i:{body}{tail}(?:{lead}[0-9a-f]{{2}}{tail}){{{CANARY_DIGITS - 1}}}{lead}[0-9a-f]{{2}})"
        )
    forms.append("".join(f"&#{byte};" for byte in data) + f"(?:&#[0-9]{{2,3}};){{{CANARY_DIGITS}}}")
    forms.append("".join(rf"\\+{byte:03o}" for byte in data) + rf"(?:\\+[0-7]{{3}}){{{CANARY_DIGITS}}}")
    return re.compile("|".join(forms))


def _canary_hints() -> tuple[str, ...]:
    """How each form of a canary begins or ends, cheap to look for."""
    data = CANARY_PREFIX.encode()
    cased: list[str] = []
    for form in ("02x", "02X"):
        pairs = [format(byte, form) for byte in data]
        cased += [
            "".join(pairs),
            ":".join(pairs),
            " ".join(pairs),
            "%" + "%".join(pairs),
            "&#x" + ";&#x".join(pairs),
        ]
        cased += [r"\x" + r"\x".join(pairs), r"\u00" + r"\u00".join(pairs)]
    hints = (
        CANARY_PREFIX,
        CANARY_PREFIX.upper(),
        codecs.encode(CANARY_PREFIX, "rot13"),
        " ".join(CANARY_PREFIX),
        CANARY_PREFIX[::-1],
        *sorted(_base64_cores(data) | _base64_cores(base64.b64encode(data))),
        base64.b32encode(data[:10]).decode().rstrip("="),
        *cased,
        "".join(f"&#{byte};" for byte in data),
        "".join(f"\\{byte:03o}" for byte in data),
    )
    return (*hints, *(hint.replace("\\", more) for hint in hints for more in _ESCAPED if "\\" in hint))


_CANARY = _canary_pattern()
_CANARY_HINTS = _canary_hints()


def holds_canary(text: str) -> bool:
    """True where some attempt's canary is in the text, in one of its usual forms."""
    return any(hint in text for hint in _CANARY_HINTS) and _CANARY.search(text) is not None


def without_canaries(text: str, mark: str) -> str:
    """The text with a mark in the place of each canary."""
    return _CANARY.sub(mark, text) if any(hint in text for hint in _CANARY_HINTS) else text
