"""What a command works with: what was typed, where to write, and the daemon once it is needed.

Under `--json` stdout gets exactly one document: `show` and `emit` exclude each other by it, and `note` goes to stderr.
The exit code inside a document is the one the process ends with.
"""

from kazictl.arguments import Arguments
from kazictl.client import Client, Reply
from kazictl.terminal import Terminal, one_line
from kazid.wire import exit_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kazictl.document import Document


class Session:
    """One call of kazictl."""

    def __init__(
        self,
        arguments: Arguments,
        *,
        out: Terminal,
        notes: Terminal,
        launch: "Callable[[str], None] | None" = None,
    ) -> None:
        """Nothing is connected yet. `launch` starts a daemon; None: the real one."""
        self.arguments = arguments
        self.out = out
        self.notes = notes
        self.source = ""
        """The goal-file that is being sent, for messages with line numbers."""
        self._launch = launch
        self._client: Client | None = None

    @property
    def wants_json(self) -> bool:
        """True when stdout belongs to one JSON document."""
        return self.arguments.wants_json

    def client(self) -> Client:
        """The daemon, found (or started, where the verb may) at the first call. Raises Failure (exit 8)."""
        if self._client is None:
            from kazictl.discover import MAY, MAY_AS_ROOT, MUST_NOT, find_daemon

            flags = self.arguments.flags
            self._client = find_daemon(
                self.arguments.texts.get("socket"),
                starts_daemon=self.arguments.verb.starts_daemon,
                starting=MUST_NOT if "no-start" in flags else MAY_AS_ROOT if "start" in flags else MAY,
                note=self.note,
                launch=self._launch,
            )
        return self._client

    def note(self, text: str) -> None:
        """A line for people that is not the answer: stderr."""
        self.notes.line(one_line(text))

    def show(self, lines: "Iterable[str]") -> None:
        """The answer for people. The lines are plain already but for our own colour."""
        self.out.lines(lines)

    def emit(self, document: "Document", *, exit_code: int) -> int:
        """The answer for programs; the exit code, for the caller to return."""
        self.emit_line({**document, "exit_code": exit_code})
        return exit_code

    def emit_line(self, document: "Document") -> None:
        """One object of many, a line each."""
        from json import dumps

        self.out.document(dumps(document, ensure_ascii=False).encode("utf-8", "replace"))

    def emit_reply(self, reply: Reply, *, exit_code: int) -> int:
        """The daemon's own bytes where they say the same exit code, or none; the exit code again."""
        if reply.document.get("exit_code", exit_code) == exit_code:
            self.out.document(reply.body)
            return exit_code
        return self.emit(reply.document, exit_code=exit_code)


def exit_code_of(document: "Document") -> int:
    """What the goal's own status exits with: the daemon's word, else the table's."""
    code = document.get("exit_code")
    if isinstance(code, int) and 0 <= code <= 255:
        return code
    return exit_codes.BY_STATUS.get(str(document.get("status")), exit_codes.ERROR)


def exit_code_of_change(document: "Document") -> int:
    """What a command that changed a goal exits with: 0 done, 7 while a fence waits for an executor, 1 hindered."""
    problem = document.get("problem")
    if problem == "suspending":
        return exit_codes.UNDER_WAY
    return exit_codes.ERROR if problem in ("denied", "conflict", "degraded") else exit_codes.OK
