"""One browser for all journeys: the system's Chromium, driven by Playwright, started when the first one asks for it.

Each journey gets a context of its own (cookies, storage, cache), which ends with it. What is missing is said with the
line that installs it. A browser that died is started again by the next journey; Playwright's driver ends with the
daemon, and the browser with the driver, also when the daemon is killed. The only module that knows Playwright's start.
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

    @asynccontextmanager
    async def context(
        self, *, path: str, viewport: Mapping[str, int] | None
    ) -> "AsyncGenerator[BrowserContext]":
        """Lend a context. Raises BrowserMissing, and Playwright's errors where the browser does not start."""
        async with self._journeys:
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
