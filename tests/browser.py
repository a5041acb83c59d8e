"""A headless Chromium for tests of pages: the fixture `browser_page`, offered by conftest.py.

Without Playwright or a browser such tests are skipped; with BPJAX_REQUIRE_BROWSER set they fail.
The browser is BPJAX_CHROMIUM, one on the path, or the one that `playwright install chromium` got.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",  # as root, in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class BrowserPage:
    """A fresh page, and what it has done so far.

    Args:
      page: Playwright's page.
      console: every message on the console and every uncaught error, as "kind: text".
      requests: the address of every request, the page itself included.
    """

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.page.on("console", lambda said: self.console.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, file: Path, width: int = 1280, scheme: str = "light") -> None:
        """Show a file of the disk, in a window of that width, `light` or `dark`."""
        self.page.set_viewport_size({"width": width, "height": 844})
        self.page.emulate_media(color_scheme=scheme)
        self.page.goto(file.resolve().as_uri())

    @property
    def overflow(self) -> int:
        """By how many pixels the document is wider than the window."""
        root = "document.documentElement"
        return self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth")


@pytest.fixture(scope="module")
def chromium():
    """Start a browser for the tests of one file; while it runs, no other event loop can."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _do_without("Playwright is not installed")
    with sync_playwright() as playwright:
        path = os.environ.get("BPJAX_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), "")
        if not Path(path or playwright.chromium.executable_path).is_file():
            _do_without("there is no Chromium; name one in BPJAX_CHROMIUM")
        browser = playwright.chromium.launch(executable_path=path or None, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def browser_page(chromium):
    """Open an empty page, in a session of its own."""
    with chromium.new_context() as context:
        yield BrowserPage(context.new_page())


def _do_without(reason: str) -> None:
    if os.environ.get("BPJAX_REQUIRE_BROWSER"):
        pytest.fail(f"{reason}, and BPJAX_REQUIRE_BROWSER is set")
    pytest.skip(reason)
