"""What is known of single programs: which always succeed, and with which arguments. Pure; one function per program.

Only what is certain is said. A program that nobody here knows may end with any code.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence

from kazid.falsify import notes
from kazid.falsify.outcome import UNKNOWN, ZERO, Note, Outcome, constant
from kazid.falsify.tree import Word

_RUNNERS = "pytest py.test unittest jest vitest mocha go cargo rspec phpunit ava npm yarn pnpm ctest tox nox"
RUNNERS = frozenset(_RUNNERS.split())
PROGRAM_CHARS_MAX = 4096

_ALWAYS_THERE = frozenset({"/", ".", "./", "/dev/null", "/tmp", "/etc"})  # noqa: S108
_NUMERIC: Mapping[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
_NO_PROGRAM = re.compile(r"\s*(process\.exit\(0\)|exit(\(0\)|\s+0)?|[01]|\"\"|'')?\s*;?\s*")


def run(name: str, args: Sequence[Word]) -> Outcome:
    """What a program can end with, when it is called so."""
    rule = _RULES.get(name)
    outcome = rule(args) if rule is not None else UNKNOWN
    values = [a.value for a in args]
    if outcome is not UNKNOWN:
        return outcome
    if name == "find":
        return _find(args)
    if _is_test_run(name, values):
        return _runner(name, values)
    if (
        name in ("ruff", "flake8", "pylint", "pylama", "bandit", "semgrep", "djlint")
        and "--exit-zero" in values
    ):
        return constant(0, notes.EXIT_ZERO)
    return UNKNOWN


def compare(args: Sequence[Word], *, is_double: bool = False) -> Outcome:
    """`test`, `[` or `[[`: constant when all that it compares is."""
    if args and args[0].value == "!" and len(args) > 1:
        inner = compare(args[1:], is_double=is_double)
        if inner.falls is None or len(inner.falls) != 1:
            return inner
        return constant(1 if inner.falls == ZERO else 0, notes.CONSTANT_TEST)
    holds = _holds(args, is_double=is_double)
    if holds is not None:
        return constant(0 if holds else 1, notes.CONSTANT_TEST)
    if (
        not is_double
        and len(args) == 2
        and args[0].value == "-n"
        and re.fullmatch(r"\$\{?\w+\}?", args[1].raw)
    ):
        return Outcome(note=notes.UNQUOTED)
    return UNKNOWN


def _holds(args: Sequence[Word], *, is_double: bool) -> bool | None:
    values = [a.value for a in args]
    match values:
        case []:
            return False
        case [str(text)]:
            return bool(text)
        case ["-n", str(text)]:
            return bool(text)
        case ["-z", str(text)]:
            return not text
        case ["-e" | "-d" | "-r" | "-x" | "-s", str(path)] if path in _ALWAYS_THERE - {"/dev/null"}:
            return True
        case ["-e" | "-r" | "-c" | "-w", "/dev/null"]:
            return True
        case [str(a), ("=" | "==" | "!=") as operator, str(b)]:
            if is_double and re.search(r"[*?\[]", b):
                return None
            return (a == b) is (operator != "!=")
        case [str(a), str(operator), str(b)] if operator in _NUMERIC:
            try:
                return _NUMERIC[operator](int(a[:18]), int(b[:18]))
            except ValueError:
                return None
        case [None, ("=" | "==" | "-eq" | "-le" | "-ge"), None]:
            same = args[0].raw == args[2].raw and not args[0].substitutes
            return True if same and args[0].raw.startswith(('"$', "$")) and ":?" not in args[0].raw else None
        case _:
            return None


def finds_itself(args: Sequence[Word], text: str) -> bool:
    """True when this grep, given this text, always finds its pattern in it."""
    pattern, flags = grep_pattern(args)
    if pattern is None or set(flags) - set("qsiFEoncahH"):
        return False
    if "F" not in flags and re.search(r"[\\.*+?^$()\[\]{}|]", pattern):
        return False
    return (pattern.lower() in text.lower()) if "i" in flags else (pattern in text)


def grep_pattern(args: Sequence[Word]) -> tuple[str | None, str]:
    """The literal pattern and the short flags of a grep; None where that is not certain."""
    flags = ""
    for position, arg in enumerate(args):
        value = arg.value
        if value is None or value.startswith("--"):
            return None, ""
        if value.startswith("-") and len(value) > 1:
            if value == "-e" and position + 1 < len(args):
                return args[position + 1].value, flags
            flags += value[1:]
            continue
        return value, flags
    return None, flags


def grep_files(args: Sequence[Word]) -> list[str | None]:
    """What a grep searches besides its standard input."""
    plain = [a.value for a in args if a.value is None or not a.value.startswith("-")]
    return plain if any(a.value == "-e" for a in args) and len(plain) < 2 else plain[1:]


def _curl(args: Sequence[Word]) -> Outcome:
    values = [a.value for a in args]
    if None in values and any(
        a.value is None and not re.search(r"://|\$\{?\w*(URL|HOST|url|host)", a.raw) for a in args
    ):
        return UNKNOWN
    flags = [v for v in values if v is not None and v.startswith("-")]
    longs, shorts = (
        [f for f in flags if f.startswith("--")],
        "".join(f[1:] for f in flags if not f.startswith("--")),
    )
    if "f" in shorts or any(f.startswith(("--fail", "--config")) for f in longs) or "K" in shorts:
        return UNKNOWN
    targets = [a.raw.strip("'\"") for a in args if a.value is None or not a.value.startswith("-")]
    if any(
        re.match(r"(telnet|ftps?|file|sftp|scp|smtps?|ldaps?|dict|mqtt|imaps?|tftp)://", t) for t in targets
    ):
        return UNKNOWN
    if "--version" in longs or "V" in shorts or "--help" in longs or not targets:
        return UNKNOWN
    judged = ("--max-time", "--connect-timeout", "--cacert", "--capath", "--cert", "--resolve", "--unix-socket",
              "--upload-file", "--pinnedpubkey", "--tls", "--ssl", "--http", "--max-filesize", "--range", "--proto",
              "--retry", "--socks", "--proxy", "--interface", "--max-redirs", "--limit-rate", "--speed")  # fmt: skip
    is_other = any(f.startswith(judged) for f in longs) or bool(set(shorts) & set("mET"))
    return constant(0, notes.CURL.doubted() if is_other else notes.CURL)


def _git(args: Sequence[Word]) -> Outcome:
    values = [a.value for a in args]
    while values and values[0] is not None and values[0].startswith("-"):
        values = values[2:] if values[0] in ("-C", "-c") else values[1:]
    told = {"--exit-code", "--quiet", "-q", "--check", "--no-index"}
    if values[:1] == ["diff"] and not told & set(values) and None not in values:
        return constant(0, notes.IGNORES)
    if values[:1] == ["status"] and len(values) == len([v for v in values if v is not None]):
        return constant(0, notes.IGNORES)
    return UNKNOWN


def _find(args: Sequence[Word]) -> Outcome:
    values = [a.value for a in args]
    starts: list[str | None] = []
    for value in values:
        if value is not None and value.startswith(("-", "(", "!")):
            break
        starts.append(value)
    if any(v in ("-exec", "-execdir", "-ok", "-okdir", "-files0-from", "-delete") for v in values):
        return UNKNOWN
    certain = all(s in (".", "./", "/") for s in starts)
    return constant(0, notes.FIND if certain else notes.FIND.doubted())


def _is_test_run(name: str, values: Sequence[str | None]) -> bool:
    if name not in RUNNERS:
        return False
    return name not in ("go", "cargo", "npm", "yarn", "pnpm") or "test" in values or "run" in values


def _runner(name: str, values: Sequence[str | None]) -> Outcome:
    if name in ("pytest", "py.test") and {"--collect-only", "--co", "--fixtures", "--markers"} & set(values):
        return constant(0, notes.RUNS_NOTHING)
    told = {"--help", "-h", "--version", "--listTests", "--list-tests", "--dry-run"}
    lenient = {"--passWithNoTests", "--pass-with-no-tests", "--if-present"}
    if name not in ("npm", "yarn", "pnpm", "go", "cargo", "tox", "nox") and told & set(values):
        return constant(0, notes.RUNS_NOTHING.doubted())
    if lenient & set(values) or (name == "ctest" and {"-N", "--show-only"} & set(values)):
        return Outcome(note=notes.RUNS_NOTHING.doubted())
    if name == "go" and "-bench" not in " ".join(v or "" for v in values):
        told_run = [b for a, b in zip(values, [*values[1:], None], strict=True) if a in ("-run", "--run")]
        told_run += [v.split("=", 1)[1] for v in values if v is not None and re.match(r"--?run=", v)]
        if any(p in ("^$", "NONE", "XXX", "none") for p in told_run):
            return Outcome(note=notes.RUNS_NOTHING.doubted())
    return UNKNOWN


def _python(args: Sequence[Word]) -> Outcome:
    values = [a.value for a in args]
    while values and values[0] is not None and re.fullmatch(r"-[IEsSuBbOqPv]+", values[0]):
        values = values[1:]
    match values:
        case ["-c", str(program), *_]:
            return constant(0, notes.PROGRAM) if _asserts_nothing(program) else UNKNOWN
        case ["-m", str(module), *rest] if module in ("pytest", "unittest"):
            return _runner(module, rest)
        case ["-m", str(module), *rest] if (
            module in ("flake8", "pylint", "ruff", "bandit") and "--exit-zero" in rest
        ):
            return constant(0, notes.EXIT_ZERO)
        case _:
            return UNKNOWN


def _asserts_nothing(program: str) -> bool:
    if len(program) > PROGRAM_CHARS_MAX:
        return False
    try:
        body = ast.parse(program).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_is_idle(statement) for statement in body)


def _is_idle(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Import(names=names):
            return all(n.name in ("sys", "os", "time") for n in names)
        case ast.Assign(value=ast.Constant()):
            return True
        case ast.Assert(test=ast.Constant(value=value)):
            return bool(value)
        case ast.Assert(test=ast.Tuple(elts=elements)):
            return bool(elements)
        case ast.Assert(
            test=ast.Compare(left=ast.Constant(value=a), ops=[ast.Eq()], comparators=[ast.Constant(value=b)])
        ):
            return a == b
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=args, keywords=[])):
            return all(isinstance(a, ast.Constant) for a in args)
        case ast.Expr(
            value=ast.Call(
                func=ast.Name(id="exit" | "quit") | ast.Attribute(attr="exit" | "_exit"),
                args=[ast.Constant(value=0)],
            )
        ):
            return True
        case _:
            return False


def _one_liner(args: Sequence[Word]) -> Outcome:
    match [a.value for a in args]:
        case ["-e", str(program), *_] if _NO_PROGRAM.fullmatch(program):
            return constant(0, notes.PROGRAM)
        case _:
            return UNKNOWN


def _says(args: Sequence[Word]) -> Outcome:
    """echo: succeeds unless writing fails."""
    return UNKNOWN if any(":?" in a.raw or "$((" in a.raw for a in args) else constant(0, notes.CANNOT_FAIL)


def _printf(args: Sequence[Word]) -> Outcome:
    if not args or args[0].value is None or re.search(r"%[^%s]", args[0].value):
        return UNKNOWN
    return _says(args)


def _always(_: Sequence[Word]) -> Outcome:
    return constant(0, notes.CANNOT_FAIL)


def _bare(args: Sequence[Word]) -> Outcome:
    """Programs that only tell something, when they are asked nothing."""
    return constant(0, notes.CANNOT_FAIL.doubted()) if not args else UNKNOWN


def _sleep(args: Sequence[Word]) -> Outcome:
    is_plain = bool(args) and all(
        a.value is not None and re.fullmatch(r"[\d.]+[smhd]?", a.value) for a in args
    )
    return constant(0, notes.CANNOT_FAIL) if is_plain else UNKNOWN


def _filter(args: Sequence[Word]) -> Outcome:
    """sed, awk and jq print; red only where a file is missing or what they read has another form."""
    said = " ".join(a.raw for a in args)
    is_judging = re.search(r"\bexit\b|\berror\b|halt|\bq\d|\$\{?\w*:\?", said) or any(
        a.value in ("-e", "--exit-status", "-i", "--in-place", "-f") for a in args
    )
    return UNKNOWN if is_judging else Outcome(note=notes.FILTER)


_RULES: Mapping[str, Callable[[Sequence[Word]], Outcome]] = {
    "true": _always,
    ":": _always,
    "echo": _says,
    "printf": _printf,
    "sleep": _sleep,
    "date": _bare,
    "pwd": _bare,
    "ls": _bare,
    "whoami": _bare,
    "uname": _bare,
    "env": _bare,
    "false": lambda _: constant(1),
    "test": compare,
    "[": lambda args: compare(args[:-1] if args and args[-1].value == "]" else args),
    "curl": _curl,
    "git": _git,
    "python": _python,
    "python3": _python,
    "node": _one_liner,
    "perl": _one_liner,
    "ruby": _one_liner,
    "awk": _filter,
    "jq": _filter,
    "sed": _filter,
}

_PASSES_ON = "tee cat head tail sort uniq wc tr cut nl column less more ts fold rev tac fmt"
PASSES_ON = frozenset(_PASSES_ON.split())
"""What succeeds whatever it reads, as the last of a pipe."""


def passes_on(name: str, args: Sequence[Word]) -> Note | None:
    """Why the last command of a pipe says nothing about those before it."""
    if name == "tee":
        return notes.PIPE
    if name in PASSES_ON:
        takes_file = name in ("cat", "sort", "wc", "nl", "tac", "rev", "uniq", "fold", "fmt", "head", "tail")
        plain = [a.value for a in args if a.value is None or not a.value.startswith("-")]
        if takes_file and any(p is None or not re.fullmatch(r"\d+", p) for p in plain):
            return None
        return notes.PIPE
    if name in ("sed", "awk") and _filter(args) is not UNKNOWN:
        return notes.PIPE.doubted()
    return None
