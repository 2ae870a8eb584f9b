"""One browser for all journeys: the system's Chromium, driven by Playwright, started when the first one asks for it.

Each journey gets a context of its own (cookies, storage, cache), which ends with it. What is missing is said with the
line that installs it. A browser that died is started again by the next journey, and so is one that was ended because
nobody had looked through it for `IDLE_S`. Playwright's driver ends with the daemon, and the browser with the driver,
also when the daemon is killed. The only module that knows Playwright's start.
"""

import os
import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
JOURNEYS_AT_ONCE_MAX = 4
"""Each takes a renderer of some 100 MB."""

IDLE_S = 300.0
"""A browser takes some 300 MB, and half a second to start; five minutes is the interval of what is seldom looked at."""

LAUNCH_MS = 30_000
CLOSE_S = 2.0

_FLAGS = ("--disable-dev-shm-usage", "--disable-background-networking", "--force-color-profile=srgb")
_INSTALL_PLAYWRIGHT = "Playwright is not installed here: pip install 'kazi[browser]'"
_INSTALL_CHROMIUM = "no Chromium is on the PATH: apt-get install chromium"


class BrowserMissing(Exception):
    """There is nothing to look with; says what to install."""


class BrowserHost:
    """Lends contexts of one browser."""

    def __init__(self) -> None:
        self._driver: Playwright | None = None
        self._browser: Browser | None = None
        self._starting = anyio.Lock()
        self._journeys = anyio.CapacityLimiter(JOURNEYS_AT_ONCE_MAX)
        self._under_way = 0
        self._last_used_s = 0.0

    @asynccontextmanager
    async def context(
        self, *, path: str, viewport: Mapping[str, int] | None
    ) -> "AsyncGenerator[BrowserContext]":
        """Lend a context. Raises BrowserMissing, and Playwright's errors where the browser does not start."""
        async with self._journeys, self._in_use():
            browser = await self._running(path)
            context = await browser.new_context(
                viewport=None
                if viewport is None
                else {"width": viewport["width"], "height": viewport["height"]},
                service_workers="block",
            )
            try:
                yield context
            finally:
                with anyio.move_on_after(CLOSE_S, shield=True):
                    await context.close()

    async def end_when_idle(self, idle_s: float = IDLE_S) -> bool:
        """End the browser when nobody has looked through it for so long; whether there was one to end."""
        async with self._starting:
            rested_s = anyio.current_time() - self._last_used_s
            if self._driver is None or self._under_way or rested_s < idle_s:
                return False
            await self.close()
            return True

    @asynccontextmanager
    async def _in_use(self) -> "AsyncGenerator[None]":
        """From before the browser is asked for: one that is about to be used is not idle."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._last_used_s = anyio.current_time()

    @staticmethod
    def errors() -> tuple[type[Exception], ...]:
        """What starting and driving a browser raises; nothing where Playwright is missing."""
        try:
            from playwright.async_api import Error
        except ImportError:
            return ()
        return (Error,)

    async def close(self) -> None:
        """End the browser and its driver."""
        browser, driver, self._browser, self._driver = self._browser, self._driver, None, None
        with anyio.move_on_after(CLOSE_S, shield=True):
            if browser is not None:
                await browser.close()
        with anyio.move_on_after(CLOSE_S, shield=True):
            if driver is not None:
                await driver.stop()

    async def _running(self, path: str) -> "Browser":
        async with self._starting:
            if self._browser is not None and self._browser.is_connected():
                return self._browser
            try:
                from playwright.async_api import async_playwright  # 0.3 s, and an extra: not at start
            except ImportError:
                raise BrowserMissing(_INSTALL_PLAYWRIGHT) from None
            program = next((found for name in PROGRAMS if (found := shutil.which(name, path=path))), None)
            if program is None:
                raise BrowserMissing(_INSTALL_CHROMIUM)
            await self.close()
            try:
                self._driver = await async_playwright().start()
                self._browser = await self._driver.chromium.launch(
                    executable_path=program,
                    # Chromium refuses to run as root inside its own sandbox.
                    args=[*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])],
                    env={"PATH": path, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"},
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                    timeout=LAUNCH_MS,
                )
            except BaseException:
                with anyio.move_on_after(2 * CLOSE_S, shield=True):
                    await self.close()
                raise
            return self._browser
