"""A page as its reader sees it, in a headless Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright


@contextmanager
def opened(url: str) -> Iterator[Page]:
    """The page at an address; the test is skipped where there is no Chromium."""
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        found = own if own.exists() else next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        if found is None:
            pytest.skip("there is no Chromium here: `playwright install chromium`")
        # Chromium's sandbox refuses to be root's.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        try:
            page = browser.new_page()
            page.goto(url)
            yield page
        finally:
            browser.close()
