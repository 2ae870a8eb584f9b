"""One journey through a page: its steps, then its assertions, in one context of the browser.

What a person would run into (a page that does not load, a button that is not there) is the page's; what we lack (no
accessibility engine, no room for a picture) is ours. An assertion that does not hold at once is asked again until its
time is over; no operation takes more than a share of what is left, so that the verdict comes in time.
"""

import contextlib
import hashlib
import importlib.resources
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from kazid.core.json import Json
from kazid.providers import picture
from kazid.providers.browser_options import (
    SEEDED,
    Assertion,
    BrowserOptions,
    Field,
    Record,
    Severity,
    Step,
    Stopped,
    Walk,
)
from kazid.providers.evidence import shortened
from kazid.shim.redaction import redact

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, ConsoleMessage, Download, Page, Response

NOTES_MAX = 50
"""Errors of the console, and answers of 400 and above, of one journey."""

SNAPSHOT_CHARS_MAX = 4000
SHARE_OF_REST = 0.5
POLL_S = 0.05
REST_MS = 2000
DOWNLOAD_BYTES_MAX = 256 * 1024 * 1024
ACTIONS = ("click", "fill", "goto", "press", "wait_for")
SEVERITIES = tuple(Severity)

Matcher = Callable[[str, str], Awaitable[bool]]
"""Whether an expression is found in a text; in a process, for one that explodes."""


class Unavailable(Exception):
    """An instrument is missing; a reason and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Journey:
    """A walk through a page, and what was noted on the way."""

    def __init__(
        self,
        page: "Page",
        options: BrowserOptions,
        *,
        name: str,
        workspace: str,
        ends_s: float,
        matches: Matcher,
    ) -> None:
        self._page = page
        self._options = options
        self._name = name
        self._workspace = workspace
        self._ends_s = ends_s
        self._matches = matches
        self._console: list[str] = []
        self._network: list[str] = []
        self._downloads: list[Download] = []
        self._violations: int | None = None
        page.on("console", self._console_said)
        page.on("pageerror", lambda error: self._note(self._console, str(error)))
        page.on("response", self._answered)
        page.on("download", lambda download: self._downloads.append(download))

    async def walk(self) -> Walk:
        """Walk it to its end, or to where it ends."""
        from playwright.async_api import Error

        stopped: Stopped | None = None
        records: list[Record] = []
        try:
            stopped = await self._open(self._options.url)
            for number, step in enumerate(self._options.steps, start=1):
                if stopped is None:
                    stopped = await self._step(number, step)
            if stopped is None:
                # One by one into the list, so that what was asked stands when a later one cannot be.
                for assertion in self._options.assertions:
                    records.append(await self._assert(assertion))  # noqa: PERF401
        except (Unavailable, picture.PictureProblem) as error:
            stopped = Stopped(is_page=False, reason=error.reason, detail=error.detail)
        except Error as error:
            stopped = Stopped(is_page=False, reason="browser_failed", detail=_said(error))
        return Walk(
            records=records,
            stopped=stopped,
            url=shortened(redact(self._page.url)),
            snapshot=await self._snapshot(),
            screenshot=await self._screenshot(),
            violations=self._violations,
        )

    async def _open(self, url: str) -> Stopped | None:
        from playwright.async_api import Error

        if not url.startswith(("http://", "https://")):
            detail = f"not an http:// or https:// address: {shortened(redact(url))}"
            return Stopped(is_page=False, reason="invalid_config", detail=detail)
        try:
            answer = await self._page.goto(url, timeout=self._left_ms())
        except Error as error:
            return _unopened(_said(error))
        if answer is not None and answer.status >= 400 and not self._options.assertions:
            detail = f"status {answer.status}, and nothing is asserted that would say that this is meant"
            return Stopped(is_page=True, reason="unexpected_status", detail=detail)
        return None

    async def _step(self, number: int, step: Step) -> Stopped | None:
        from playwright.async_api import Error

        target = self._page.locator(step.selector).first
        timeout = self._left_ms()
        try:
            match step.action:
                case "click":
                    await target.click(timeout=timeout)
                case "fill":
                    await target.fill(step.value, timeout=timeout)
                case "press":
                    await target.press(step.key or step.value, timeout=timeout)
                case "wait_for":
                    await target.wait_for(timeout=timeout)
                case "goto":
                    return await self._open(step.url)
                case _:
                    detail = f"step {number} has no action a browser knows: {shortened(step.action, 40)!r}"
                    return Stopped(is_page=False, reason="invalid_config", detail=detail)
        except Error as error:
            what = f"step {number} ({step.action} {shortened(step.selector, 120)})"
            return Stopped(is_page=True, reason="step_failed", detail=f"{what}: {_said(error)}")
        return None

    async def _assert(self, assertion: Assertion) -> Record:
        from playwright.async_api import Error

        expected: Json = None
        found: Json = None
        try:
            ok, expected, found = await self._judged(assertion)
        except Error as error:
            ok, found = False, _said(error)
        return Record(
            type=assertion.type,
            ok=ok,
            selector=shortened(assertion.selector, 200),
            expected=expected,
            found=found,
            viewport=self._name,
        )

    async def _judged(self, asked: Assertion) -> tuple[bool, Json, Json]:
        page, first = self._page, self._page.locator(asked.selector).first
        timeout = self._left_ms(asked.timeout_ms)
        match asked.type:
            case "visible":
                await first.wait_for(state="visible", timeout=timeout)
                return True, "visible", "visible"
            case "hidden":
                shown = page.locator(asked.selector).filter(visible=True).first
                await shown.wait_for(state="detached", timeout=timeout)
                return True, "hidden", "hidden"
            case "text":
                return await self._text(asked, lambda: first.inner_text(timeout=timeout), timeout)
            case "url":
                return await self._text(asked, lambda: _now(page.url), timeout)
            case "attr":
                return await self._equal(
                    asked.expected, lambda: first.get_attribute(asked.name, timeout=timeout), timeout
                )
            case "count":
                return await self._equal(
                    asked.expected, lambda: page.locator(asked.selector).count(), timeout
                )
            case "enabled":
                wanted = asked.expected is not False
                return await self._equal(wanted, lambda: first.is_enabled(timeout=timeout), timeout)
            case "field_value":
                return await self._equal(asked.expected, lambda: first.input_value(timeout=timeout), timeout)
            case "console_clean":
                await self._come_to_rest()
                notes = [*self._console, *(self._network if asked.network else [])]
                return not notes, [], [shortened(redact(note)) for note in notes[:10]]
            case "download":
                return await self._download(asked, timeout)
            case "form_validation":
                return await self._form(asked, timeout)
            case "a11y":
                return await self._accessible(asked)
            case "visual":
                return await self._same_picture(asked)
            case _:
                return False, None, "no such assertion"

    async def _come_to_rest(self) -> None:
        """Wait for what the page still asks for, so that it is not noted too late; a page that polls never rests."""
        from playwright.async_api import Error

        with contextlib.suppress(Error):
            await self._page.wait_for_load_state("networkidle", timeout=self._left_ms(REST_MS))

    async def _text(
        self, asked: Assertion, read: Callable[[], Awaitable[str]], timeout_ms: float
    ) -> tuple[bool, Json, Json]:
        expected = asked.exact if asked.exact is not None else asked.contains or ""

        def holds(text: Json) -> bool:
            said = str(text).strip()
            return said == expected.strip() if asked.exact is not None else expected in said

        ok, found = await self._eventually(read, holds, timeout_ms)
        return ok, shortened(expected), shortened(redact(str(found).strip()))

    async def _equal(
        self, expected: Json, read: Callable[[], Awaitable[Any]], timeout_ms: float
    ) -> tuple[bool, Json, Json]:
        ok, found = await self._eventually(read, lambda value: value == expected, timeout_ms)
        shown: Json = shortened(redact(found)) if isinstance(found, str) else found
        return ok, expected, shown

    async def _eventually(
        self, read: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool], timeout_ms: float
    ) -> tuple[bool, Any]:
        """Read until it holds or the time is over; what was read last."""
        ends_s = anyio.current_time() + timeout_ms / 1000
        while True:
            found = await read()
            if holds(found) or anyio.current_time() + POLL_S >= ends_s:
                return holds(found), found
            await anyio.sleep(POLL_S)

    async def _download(self, asked: Assertion, timeout_ms: float) -> tuple[bool, Json, Json]:
        if asked.trigger_selector:
            await self._page.locator(asked.trigger_selector).first.click(timeout=timeout_ms)
        came, _ = await self._eventually(
            lambda: _now(len(self._downloads)), bool, self._left_ms(asked.timeout_ms)
        )
        if not came:
            return False, asked.filename_pattern, "no download began"
        download = self._downloads[-1]
        filename = shortened(download.suggested_filename, 255)
        path = Path(await download.path())
        found: dict[str, Json] = {"filename": filename}
        if (digest := await anyio.to_thread.run_sync(_sha256, path)) is not None:
            found["sha256"] = digest
        ok = not asked.filename_pattern or await self._matches(asked.filename_pattern, filename)
        return ok, asked.filename_pattern, found

    async def _form(self, asked: Assertion, timeout_ms: float) -> tuple[bool, Json, Json]:
        """What is invalid is said or cannot be sent, and what is valid arrives; what nobody asked for is null."""
        found: dict[str, Json] = {
            "error_shown": None, "submit_disabled_until_valid": None, "submission_persisted": None,
        }  # fmt: skip
        page = self._page
        submit = page.locator(asked.submit_selector).first if asked.submit_selector else None
        await self._fill(asked.invalid, timeout_ms)
        was_disabled = submit is not None and await submit.is_disabled(timeout=timeout_ms)
        if asked.error_selector:
            if submit is not None and not was_disabled:
                await submit.click(timeout=timeout_ms)
            shown = page.locator(asked.error_selector).filter(visible=True)

            async def error_shown() -> bool:
                texts = await shown.all_inner_texts()
                return any(asked.error_text in text for text in texts)

            found["error_shown"], _ = await self._eventually(
                error_shown, bool, self._left_ms(asked.timeout_ms)
            )
        await self._fill(asked.valid, timeout_ms)
        if submit is not None and not asked.error_selector:
            enabled, _ = await self._eventually(
                lambda: submit.is_enabled(timeout=timeout_ms), bool, self._left_ms(asked.timeout_ms)
            )
            found["submit_disabled_until_valid"] = was_disabled and enabled
        if asked.success_selector or asked.success_url:
            if submit is not None:
                await submit.click(timeout=self._left_ms(asked.timeout_ms))

            async def arrived() -> bool:
                if asked.success_url and asked.success_url not in page.url:
                    return False
                if not asked.success_selector:
                    return True
                return await page.locator(asked.success_selector).filter(visible=True).count() > 0

            persisted, _ = await self._eventually(arrived, bool, self._left_ms(asked.timeout_ms))
            found["submission_persisted"] = persisted
        checked = [value for value in found.values() if value is not None]
        return bool(checked) and all(checked), None, found

    async def _fill(self, fields: Sequence[Field], timeout_ms: float) -> None:
        for field in fields:
            await self._page.locator(field.selector).first.fill(field.value, timeout=timeout_ms)

    async def _accessible(self, asked: Assertion) -> tuple[bool, Json, Json]:
        await self._page.evaluate(await anyio.to_thread.run_sync(_axe))
        result: Any = await self._page.evaluate(
            "async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map("
            "v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.length}))"
        )
        counted = SEVERITIES[SEVERITIES.index(asked.severity) :]
        names = {severity.value for severity in counted}
        violations = [v for v in result if v.get("impact") in names]
        self._violations = (self._violations or 0) + len(violations)
        found: list[Json] = [
            {
                "rule": str(v["id"]),
                "impact": str(v["impact"]),
                "nodes": int(v["nodes"]),
                "help": shortened(str(v["help"])),
            }
            for v in violations[:20]
        ]
        return len(violations) <= asked.max_violations, asked.max_violations, found

    async def _same_picture(self, asked: Assertion) -> tuple[bool, Json, Json]:
        if not picture.is_picture_name(asked.name):
            raise Unavailable("invalid_config", f"no name for a picture: {shortened(asked.name, 60)!r}")
        name = f"{asked.name}-{self._name}" if self._name else asked.name
        taken = await self.picture(asked.selector)
        compared = await anyio.to_thread.run_sync(
            lambda: picture.compare_with_baseline(
                taken,
                workspace=self._workspace,
                baseline=f"{picture.BASELINES}/{name}.png",
                diff=f"{picture.DIFFS}/{name}.png",
            )
        )
        if compared.is_seeded:
            raise Unavailable(SEEDED, f"there was no picture {name}: this look made one; look at it")
        found: dict[str, Json] = {"ratio": round(compared.ratio, 6), "size": compared.size}
        if compared.size != compared.baseline_size:
            found["baseline_size"] = compared.baseline_size
        if compared.diff:
            found["diff"] = compared.diff
        return compared.ratio <= asked.threshold, asked.threshold, found

    async def picture(self, selector: str = "") -> bytes:
        """The page as it is seen, or one element of it; nothing moves in it and no cursor blinks."""
        timeout = self._left_ms()
        if selector:
            return await self._page.locator(selector).first.screenshot(animations="disabled", timeout=timeout)
        return await self._page.screenshot(animations="disabled", timeout=timeout)

    async def _snapshot(self) -> str:
        from playwright.async_api import Error

        try:
            text = await self._page.locator("body").aria_snapshot(timeout=self._left_ms(2000))
        except Error as error:
            return f"none: {_said(error)}"
        return shortened_lines(redact(text))

    async def _screenshot(self) -> str:
        from playwright.async_api import Error

        name = self._options.screenshot
        if not name:
            return ""
        if self._name:
            place = Path(name)
            name = str(place.with_name(f"{place.stem}-{self._name}{place.suffix or '.png'}"))
        try:
            taken = await self.picture()
            return await anyio.to_thread.run_sync(lambda: picture.write_in(self._workspace, name, taken))
        except (Error, picture.PictureProblem) as error:
            return f"none: {_said(error)}"

    def _console_said(self, message: "ConsoleMessage") -> None:
        if message.type == "error" and not _is_icon(str(message.location.get("url", ""))):
            self._note(self._console, message.text)

    def _answered(self, answer: "Response") -> None:
        if answer.status >= 400 and not _is_icon(answer.url):
            self._note(self._network, f"{answer.status} {answer.url}")

    def _note(self, notes: list[str], text: str) -> None:
        if len(notes) < NOTES_MAX:
            notes.append(text[:500])

    def _left_ms(self, wanted_ms: int | None = None) -> float:
        """What one operation may take: at most its timeout, and a share of what is left."""
        left_ms = max(0.0, self._ends_s - anyio.current_time()) * 1000
        # Zero would mean no timeout at all.
        return max(
            1.0, min(self._options.timeout_ms if wanted_ms is None else wanted_ms, left_ms * SHARE_OF_REST)
        )


async def walk_in(
    context: "BrowserContext",
    options: BrowserOptions,
    *,
    name: str,
    workspace: str,
    ends_s: float,
    matches: Matcher,
) -> Walk:
    """Walk one journey in a context of its own."""
    page = await context.new_page()
    journey = Journey(page, options, name=name, workspace=workspace, ends_s=ends_s, matches=matches)
    return await journey.walk()


def shortened_lines(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= SNAPSHOT_CHARS_MAX else f"{text[: SNAPSHOT_CHARS_MAX - 1]}…"


def _unopened(said: str) -> Stopped:
    """What an error of Chromium's network means."""
    if "ERR_NAME_NOT_RESOLVED" in said:
        return Stopped(is_page=False, reason="dns_failed", detail=said)
    if "ERR_INTERNET_DISCONNECTED" in said or "ERR_ADDRESS_UNREACHABLE" in said:
        return Stopped(is_page=False, reason="no_route", detail=said)
    if "ERR_CERT_AUTHORITY_INVALID" in said:
        return Stopped(is_page=False, reason="tls_untrusted", detail=said)
    if "ERR_INVALID_URL" in said or "Cannot navigate to invalid URL" in said:
        return Stopped(is_page=False, reason="invalid_config", detail=said)
    if "crash" in said.lower() or "has been closed" in said:
        return Stopped(is_page=False, reason="browser_failed", detail=said)
    return Stopped(is_page=True, reason="unreachable", detail=said)


def _is_icon(url: str) -> bool:
    """Whether the browser asked for this by itself: a page that has no icon is no worse for it."""
    return url.endswith("/favicon.ico")


def _said(error: Exception) -> str:
    """The first line of an error; the rest is Playwright's log of waiting."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return shortened(redact(lines[0] if lines else type(error).__name__))


async def _now(value: Any) -> Any:
    return value


def _sha256(path: Path) -> str | None:
    if path.stat().st_size > DOWNLOAD_BYTES_MAX:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _axe() -> str:
    """The accessibility engine's source, which comes with the extra."""
    try:
        return importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    except (ModuleNotFoundError, OSError):
        raise Unavailable(
            "a11y_unavailable", "axe-core is not installed here: pip install 'kazi[browser]'"
        ) from None
