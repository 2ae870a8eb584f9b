"""The one funnel that takes secrets out of text before it is kept: logs, evidence, prompts, bundles.

Stdlib only: used by the shim and by the daemon. Known values go first, patterns second; what is replaced says which
kind it was. Every pattern is linear, cheap on clean text, leaves its own output alone, and keeps JSON that holds a
secret readable as JSON, for agents print their reports so. Only private keys span lines; all else ends with the line,
so lines can be redacted one by one (kazid/shim/lines.py does).
"""

import json
import re
from collections.abc import Iterable, Mapping

from kazid.shim.disguises import disguises, without_canaries

SECRET_CHARS_MIN = 8
"""Shorter values of secret variables are too likely to be ordinary words."""

KEY_CHARS_MAX = 32 * 1024
"""An RSA key of 16384 bits is 13 kB of PEM; what claims to be longer is not one key."""

_SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|(?:^|_)(?:PASS|AUTH)(?:_|$)", re.IGNORECASE
)
_NOT_SECRET_NAME = re.compile(r"_(?:FILE|PATH|DIR|DIRECTORY|SOCK)$|KEYBOARD|KEYMAP|MONKEY", re.IGNORECASE)
_AMOUNT_NAME = re.compile(r"TOKENS|MAX|MIN|LIMIT|COUNT|SIZE|LENGTH", re.IGNORECASE)

_KEY_WORD = "PRIVATE KEY"
_KEY_EDGE = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_RUN = re.compile(r"[A-Za-z0-9+/=\s\\:,]*+")
"""Base64, its line breaks (in JSON a backslash and an n), and the headers of old formats."""
_KEY_BODY_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\\\r\n"
_KEY_MARK = "[redacted:private-key]"

_JWT_RUN = re.compile(r"[A-Za-z0-9_-]*+")
_JWT_REST = re.compile(r"(?:\.[A-Za-z0-9_-]{8,}){1,4}(?:\.[A-Za-z0-9_-]*)?")
_JWT_MARK = "[redacted:jwt]"
_CANARY_MARK = "[redacted:canary]"

# Where a token may begin: not inside a word, but right after a line break that JSON wrote as \n, or a colour code.
_EDGE = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=[\d\[]m))"

_PREFIXED: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (("AKIA", "ASIA", "ABIA", "ACCA"), re.compile(r"A(?:KI|SI|BI|CC)A[A-Z0-9]{16,}"), "[redacted:aws-key]"),
    (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        re.compile(r"gh[pousr]_[A-Za-z0-9]{20,}"),
        "[redacted:github-token]",
    ),
    (("github_pat_",), re.compile(r"github_pat_[A-Za-z0-9_]{20,}"), "[redacted:github-token]"),
    (("glpat-",), re.compile(r"glpat-[A-Za-z0-9_-]{20,}"), "[redacted:gitlab-token]"),
    (("xox",), re.compile(r"xox[abeoprs]-[A-Za-z0-9-]{10,}"), "[redacted:slack-token]"),
    (("xapp-",), re.compile(r"xapp-[A-Za-z0-9-]{20,}"), "[redacted:slack-token]"),
    (
        ("hooks.slack.com",),
        re.compile(r"(?<=hooks\.slack\.com/)(?:services|workflows)/[A-Za-z0-9/_-]{10,}"),
        "[redacted:slack-webhook]",
    ),
    (("AIza",), re.compile(r"AIza[A-Za-z0-9_-]{30,}"), "[redacted:google-key]"),
    (("ya29.",), re.compile(r"ya29\.[A-Za-z0-9_-]{20,}"), "[redacted:google-token]"),
    (("npm_",), re.compile(_EDGE + r"npm_[A-Za-z0-9]{36,}"), "[redacted:npm-token]"),
    (("hf_",), re.compile(_EDGE + r"hf_[A-Za-z0-9]{30,}"), "[redacted:huggingface-token]"),
    (
        ("k_live_", "k_test_"),
        re.compile(_EDGE + r"[srp]k_(?:live|test)_[A-Za-z0-9]{16,}"),
        "[redacted:stripe-key]",
    ),
)
_SK = re.compile(_EDGE + r"sk-[A-Za-z0-9_-]{16,}")
_LONG_WORD = re.compile(r"[A-Za-z0-9]{16}")

_URL = re.compile(r"""(?<=://)([^\s/@:?#"'`<>\\]*+):([^\s/?#"'`<>\\]+)(?=@)""")
_AUTHORIZATION = re.compile(
    r"""(?i)(authorization\\*["']?[ \t]*[:=][ \t]*\\*["']?)"""
    r"""((?:bearer|basic|token|negotiate|apikey)[ \t]+)?([^\s"'\\,;]{4,})"""
)
_BEARER = re.compile(
    r"(?i)((?:bearer|basic)[ \t]+)"
    r"(?:(?=[A-Za-z._~+/=-]*+[0-9])[A-Za-z0-9._~+/=-]{12,}|[A-Za-z0-9._~+/=-]{24,})"
)
_HINT = re.compile(r"passw|passphrase|secret|token|key|credential")
_HINT_ANY_CASE = re.compile(_HINT.pattern, re.IGNORECASE | re.ASCII)
_KEYS = (
    "api", "access", "private", "secret", "auth", "encryption", "signing", "master", "account", "client", "storage",
)  # fmt: skip
_KEY_OF = "|".join(f"(?<={kind})|(?<={kind}[_.-])" for kind in _KEYS)
_NAME = re.compile(
    rf"""(?ix)
    (?: (?P<strong> passw(?:or)?d | passphrase | (?:{_KEY_OF})key
          | (?<=[a-z0-9][_.-])(?:token|secret|credentials?) | (?<=[a-z])(?-i:Token|Secret) )
      | (?P<weak> token | secret | credentials? ) )
    (?P<close> \\*["'] )?
    [ \t]* (?: => | := | ={{1,3}} | :(?!:) ) (?: [ \t] | \\t )*
    """
)
"""A name, the quote that closes it where it is quoted, and the sign between name and value."""
_QUOTE = re.compile(r"""\\*["']""")
_BARE_VALUE = re.compile(r"""(?i)(?P<value>(?:(?:bearer|basic)[ \t]+)?[^\s"'\\]+)""")
_ASSIGNED = re.compile(r"""=[^\s=>]|=[ \t]*["']\Z""")
"""`token=abc` and `token = "abc"` assign; `token = abc` may be any line of code, `token: abc` any sentence."""
_DOUBTFUL_VALUE = re.compile(r"""(?:\\*["'])?(?P<value>[^\s"'\\]+)""")
_END_OF_STRING = re.compile(r"""\\*["'][ \t]*(?:[,}\]:]|\\*["']|$)""", re.MULTILINE)
"""After `"text": "the password:` comes the quote that ends a JSON string, and it opens no value."""
_FLAG = re.compile(
    r"""(?i)(?:(?<=-)(?:password|passwd|passphrase|token|secret)|(?<=-api-)key|(?<=-api)key)"""
    r"""[ \t]+(?P<value>[^\s"'\\-][^\s"'\\]{5,})"""
)
_CLOSERS = ",;)}]"
"""They end a value more often than they belong to it."""
_NO_SECRET = re.compile(
    r"(?i)(?:null|none|nil|true|false|undefined|str|string|int|bool|bytes|optional(?:\[\w+\])?|any"
    r"|\W*|\[redacted:[a-z-]+\]?)[,;)}\]]*"
)
_NUMBER = re.compile(r"[-+\d.,_]+[,;)}\]]*")
_TOKEN_LIKE = re.compile(r"(?=[^\d\s]*+\d)(?=[^A-Za-z]*+[A-Za-z])\S{6,}|\S{24,}")
"""What may be a secret where the name alone says little: letters and digits, or very long without a blank."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without what looks like a secret, and without these literal values."""
    for value in sorted(secrets, key=len, reverse=True):
        if len(value) >= SECRET_CHARS_MIN and value in text and value not in _MARKS:
            text = text.replace(value, "[redacted:environment]")
    text = without_canaries(text, _CANARY_MARK)
    if _KEY_WORD in text:
        text = _redact_keys(text)
    if "eyJ" in text:
        text = _redact_jwts(text)
    for hints, pattern, mark in _PREFIXED:
        if any(hint in text for hint in hints):
            text = pattern.sub(mark, text)
    if "sk-" in text:
        text = _SK.sub(_sk, text)
    if "://" in text and "@" in text:
        text = _URL.sub(r"\1:[redacted:url-credentials]", text)
    lowered = text.lower()
    if "authorization" in lowered:
        text = _AUTHORIZATION.sub(_authorization, text)
    if "bearer" in lowered or "basic" in lowered:
        text = _BEARER.sub(r"\1[redacted:authorization]", text)
    return _redact_named(text)


def redact_bytes(data: bytes, secrets: Iterable[str] = ()) -> bytes:
    """`redact` for output of any encoding; all other bytes pass through unharmed.

    `secrets` are text as for `redact`; they are looked for in UTF-8.
    """
    known = [value.encode("utf-8", "surrogateescape").decode("latin-1") for value in secrets]
    return redact(data.decode("latin-1"), known).encode("latin-1")


def secret_values(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What to look for of the variables that are named like secrets, longest first so that none hides in another.

    A value of several lines counts line by line, because output is redacted so; and in every form that
    `kazid/shim/disguises.py` knows.
    """
    found: set[str] = set()
    for name, value in environment.items():
        if not _SECRET_NAME.search(name) or _NOT_SECRET_NAME.search(name):
            continue
        if _AMOUNT_NAME.search(name) and _NUMBER.fullmatch(value):
            continue
        for part in {value.strip(), *(line.strip() for line in value.splitlines())}:
            found |= {part, json.dumps(part, ensure_ascii=False)[1:-1]}
            found |= disguises(part) if len(part) >= SECRET_CHARS_MIN else set()
    return tuple(sorted((part for part in found if len(part) >= SECRET_CHARS_MIN), key=len, reverse=True))


def end_of_key(text: str) -> int | None:
    """Where the private key ends that began before this text; None when the text ends inside it."""
    end = _end_of_body(text, 0)
    closing = _KEY_EDGE.match(text, end)
    if closing is not None and closing[1] == "END":
        return closing.end()
    return None if end == len(text) else end


def ends_inside_key(text: str) -> bool:
    """True when a private key begins in the text and may go on after it."""
    if _KEY_WORD not in text:
        return False
    edges = list(_KEY_EDGE.finditer(text))
    return bool(edges) and edges[-1][1] == "BEGIN" and end_of_key(text[edges[-1].end() :]) is None


def _redact_keys(text: str) -> str:
    """Replace each key from its BEGIN to its END; where one of the two is missing, as far as it looks like a key."""
    kept: list[str] = []
    at = 0
    edges = list(_KEY_EDGE.finditer(text))
    for number, edge in enumerate(edges):
        if edge.start() < at:
            continue
        if edge[1] == "END":
            kept += [text[at : edge.start()].rstrip(_KEY_BODY_CHARS), _KEY_MARK]
            at = edge.end()
            continue
        kept += [text[at : edge.start()], _KEY_MARK]
        after = edges[number + 1] if number + 1 < len(edges) else None
        if after is not None and after[1] == "END" and after.start() - edge.end() <= KEY_CHARS_MAX:
            at = after.end()
        else:
            at = _end_of_body(text, edge.end())
    return "".join([*kept, text[at:]])


def _end_of_body(text: str, start: int) -> int:
    """Where that ends which may be inside of a key. By hand: before Python 3.11.5 `(?:…)*+` may match wrongly."""
    at = start
    while True:
        run = _KEY_RUN.match(text, at)
        at = at if run is None else run.end()
        if not text.startswith("-", at) or text.startswith("-----", at):
            # The backslashes of a quote that ends the string belong to the quote.
            return at if text[at : at + 1] not in ("'", '"') else at - _backslashes_before(text, start, at)
        at += 1


def _redact_jwts(text: str) -> str:
    """Replace `eyJ….….…`. By hand, because a run without a dot must not be scanned again from each `eyJ` in it."""
    kept: list[str] = []
    at = 0
    start = text.find("eyJ")
    while start >= 0:
        run = _JWT_RUN.match(text, start)
        assert run is not None, "the pattern matches nothing too"
        end = run.end()
        rest = _JWT_REST.match(text, end) if end - start >= 10 else None
        if rest is not None:
            kept += [text[at:start], _JWT_MARK]
            at = end = rest.end()
        start = text.find("eyJ", end)
    return "".join([*kept, text[at:]])


def _sk(match: re.Match[str]) -> str:
    """A key has digits or is one long word; `sk-` followed by words and hyphens is a name in a style sheet."""
    key = match[0]
    is_key = any(char.isdigit() for char in key) or _LONG_WORD.search(key)
    return "[redacted:api-key]" if is_key else key


def _authorization(match: re.Match[str]) -> str:
    name, scheme, value = match.groups()
    if scheme is None and not _is_token_like(value):
        return match[0]
    return f"{name}{scheme or ''}[redacted:authorization]"


def _redact_named(text: str) -> str:
    """Replace the values of `name = value`, `"name": "value"` and `--name value`, not their quotes.

    The names are found first, in lower case: a pattern that tries each of them at each place is five times as slow.
    """
    lowered = text.lower()
    is_aligned = len(lowered) == len(text)  # a capital I with a dot becomes two characters
    kept: list[str] = []
    at = 0
    for hit in _HINT.finditer(lowered) if is_aligned else _HINT_ANY_CASE.finditer(text):
        if hit.start() < at:
            continue
        found = _named_value(text, hit.start())
        if found is not None:
            start, end, mark = found
            kept += [text[at:start], mark]
            at = end
    return "".join([*kept, text[at:]])


def _named_value(text: str, at: int) -> tuple[int, int, str] | None:
    """Where the secret lies whose name is here, and what to put in its place; None where there is none."""
    name = _NAME.match(text, at)
    if name is None:
        flag = _FLAG.match(text, at)
        if flag is None or not _is_token_like(flag["value"]):
            return None
        return *flag.span("value"), _mark_of(text[at : flag.start("value")])
    is_quoted_name = name["close"] is not None
    if not is_quoted_name and _END_OF_STRING.match(text, name.end()):
        return None
    is_sure = (
        name["strong"] is not None or is_quoted_name or _ASSIGNED.search(text, name.start(), name.end() + 1)
    )
    quote = _QUOTE.match(text, name.end()) if is_sure else None
    if quote is not None:
        start, end = quote.end(), _end_of_quoted(text, quote.end(), quote[0])
    else:
        bare = (_BARE_VALUE if is_sure else _DOUBTFUL_VALUE).match(text, name.end())
        if bare is None:
            return None
        start, end = bare.span("value")
        end = start + (len(text[start:end].rstrip(_CLOSERS)) or end - start)
    value = text[start:end]
    is_number = _NUMBER.fullmatch(value) is not None
    if _NO_SECRET.fullmatch(value) or (is_number and text[at : at + 4].lower() != "pass"):
        return None
    if is_quoted_name and quote is None and (is_number or value[0] in "[{"):
        return None  # JSON, and not a string
    if not is_sure and not _is_token_like(value):
        return None
    return start, end, _mark_of(name["strong"] or name["weak"])


def _end_of_quoted(text: str, at: int, quote: str) -> int:
    """Where a quoted value ends: at its closing quote, at the end of the JSON string around it, or of the line."""
    mark, depth = quote[-1], len(quote)
    end = text.find(mark, at)
    while end >= 0:
        run = _backslashes_before(text, at, end)
        if (run + 1) % depth == 0 and (run + 1) // depth % 2 == 1:
            end -= depth - 1  # as deeply escaped as the opening one
            break
        if (run + 1) % depth != 0:
            end -= run  # less deeply: it closes a string around this one
            break
        end = text.find(mark, end + 1)
    end = len(text) if end < 0 else end
    line_end = text.find("\n", at, end)
    end = end if line_end < 0 else line_end
    return end if mark == '"' else _end_of_json_string(text, at, end)


def _end_of_json_string(text: str, at: int, high: int) -> int:
    """Where a double quote ends a string before `high`: a single quote that was not closed in it opened nothing."""
    end = text.find('"', at, high)
    while end >= 0:
        run = _backslashes_before(text, at, end)
        if _END_OF_STRING.match(text, end - run):
            return end - run
        end = text.find('"', end + 1, high)
    return high


def _backslashes_before(text: str, low: int, at: int) -> int:
    before = at
    while before > low and text[before - 1] == "\\":
        before -= 1
    return at - before


def _is_token_like(value: str) -> bool:
    """What holds a mark already is left alone, or redacting twice would take more."""
    return _TOKEN_LIKE.fullmatch(value) is not None and "[redacted:" not in value


def _mark_of(name: str) -> str:
    lowered = name.lower()
    for kind in ("passw", "passphrase", "token", "secret", "credential"):
        if kind in lowered and "key" not in lowered:
            return "[redacted:password]" if kind.startswith("pass") else f"[redacted:{kind}]"
    return "[redacted:key]"


_MARKS = " ".join(
    (
        *(
            _KEY_MARK,
            _JWT_MARK,
            _CANARY_MARK,
            "[redacted:environment]",
            "[redacted:authorization]",
            "[redacted:url-credentials]",
        ),
        *("[redacted:api-key]", *(mark for _, _, mark in _PREFIXED)),
        *map(_mark_of, ("password", "token", "secret", "key", "credential")),
    )
)
"""A known value that is part of a mark is left alone: replacing it would tear the marks."""
