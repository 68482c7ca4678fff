"""Debian's Chromium, for tests that look at pages as people do.

Its driver comes with it and fits it, and talks to the test over a socket: no event loop of a browser
library runs in the test's thread, which Prefect would take for its own.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PROGRAMS = ("chromium", "chromedriver")
WIDTH, HEIGHT = 1400, 1000
SECONDS_TO_WAIT = 60


class Browser:
    """One window of a browser without a screen."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Go to a page, and forget what pages before it complained of."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(url)

    def text(self) -> str:
        """The text that can be read on the page."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def wait_for(self, text: str) -> None:
        """Wait until a text can be read on the page; fails with what can be read instead."""
        try:
            self._wait().until(lambda _: text in self.text())
        except TimeoutException as error:
            raise AssertionError(f"expected {text!r} on {self.driver.current_url}:\n{self.text()}") from error

    def click(self, text: str) -> None:
        """Click on the innermost thing that can be seen and reads exactly so."""
        same = f'//body//*[normalize-space(.)="{text}"]'
        self._wait().until(
            lambda driver: [found for found in driver.find_elements(By.XPATH, same) if found.is_displayed()]
        )[-1].click()

    def _wait(self) -> "WebDriverWait[Chrome]":
        """Pages that draw themselves replace what was just found; then it is looked for again."""
        return WebDriverWait(
            self.driver, SECONDS_TO_WAIT, ignored_exceptions=[StaleElementReferenceException]
        )

    def n_images(self) -> int:
        """Pictures on the page that are loaded and have a size."""
        script = "return [...document.images].filter(i => i.complete && i.naturalWidth > 0).length"
        return int(self.driver.execute_script(script))

    def complaints(self) -> list[str]:
        """Errors of the page's scripts and what it could not load, since `open`."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def screenshot(self, path: Path) -> None:
        """Write what the window shows to a PNG."""
        path.write_bytes(self.driver.get_screenshot_as_png())


def require_programs() -> None:
    """Skip where there is no Chromium; in CI, fail."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return
    message = f"{' and '.join(missing)} not found: make browser, as root, installs Debian's"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser while the body runs."""
    options = ChromeOptions()
    for flag in ("headless=new", f"window-size={WIDTH},{HEIGHT}", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's sandbox refuses to work for root
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(shutil.which("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
