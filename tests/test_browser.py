"""The browser that other tests look through: what it finds, and that it says what is not there."""

from pathlib import Path

import pytest

from tests import browser as browser_module
from tests.browser import Browser

DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
PAGE = f"""<title>page</title><p>first</p><a href="#" onclick="later()">more <b>of it</b></a>
<img src="{DOT}"><img src="missing.png">
<script>function later() {{ setTimeout(() => document.body.append("second"), 50) }};
undefined_name</script>"""


@pytest.fixture
def page(tmp_path: Path) -> str:
    (tmp_path / "page.html").write_text(PAGE)
    return (tmp_path / "page.html").as_uri()


def test_a_page_is_read_clicked_and_complained_of(browser: Browser, page: str, tmp_path: Path):
    browser.open(page)
    browser.wait_for("first")
    assert "second" not in browser.text()
    browser.click("more of it")
    browser.wait_for("second")
    assert browser.n_images() == 1
    complaints = "".join(browser.complaints())
    assert "missing.png" in complaints
    assert "undefined_name" in complaints
    browser.screenshot(tmp_path / "shot.png")
    assert (tmp_path / "shot.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_not_on_a_page_is_a_failure_that_shows_the_page(
    browser: Browser, page: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(browser_module, "SECONDS_TO_WAIT", 0.2)
    browser.open(page)
    with pytest.raises(AssertionError, match=r"expected 'third' on file:.*\n(.*\n)*first"):
        browser.wait_for("third")


def test_without_a_browser_tests_are_skipped_and_in_ci_fail(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="chromium and chromedriver not found: make browser"):
        browser_module.require_programs()
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="make browser"):
        browser_module.require_programs()
