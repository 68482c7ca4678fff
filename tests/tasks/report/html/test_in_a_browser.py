"""The page as a browser shows it: drawn, quiet, self-contained; by hand, by keyboard, and in the dark."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from benchmarks.archive.rows import add_synthetic_rows
from tasks.catalogue.records import Failed
from tasks.report.html.render import make_report, store_page
from tasks.settings import RunOptions
from tasks.steps.commit import append
from tasks.store.locations import open_store
from tests.browser import SECONDS_TO_WAIT, Browser
from tests.tasks.report.html.archive import fill, sweep_records
from tests.tasks.rows import planned

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
N_CHARTS = 9  # two scatters, two distributions, the curves, four of histories


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("browser")
    store = open_store(str(folder / "store"))
    fill(store, folder / "photos")
    add_synthetic_rows(store, 150)
    (folder / "report.html").write_text(make_report(store, RunOptions(device="cpu")).html, encoding="utf-8")
    return (folder / "report.html").as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Browser]:
    emulate(browser)
    browser.open(address)
    drawn(browser, "light")
    yield browser
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def emulate(browser: Browser, theme: str = "light") -> None:
    """A reader who prefers a theme, and less motion: what is scrolled to is there at once."""
    wishes = {"prefers-color-scheme": theme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def drawn(browser: Browser, theme: str) -> None:
    script = "return document.documentElement.dataset.drawn"
    WebDriverWait(browser.driver, SECONDS_TO_WAIT).until(lambda d: d.execute_script(script) == theme)


def run(browser: Browser, script: str, *arguments: object) -> Any:
    return browser.driver.execute_script(script, *arguments)


def test_it_draws_complains_of_nothing_and_asks_for_nothing(page: Browser):
    assert page.complaints() == []
    assert page.driver.title.startswith("Report of ")
    asked = run(page, "return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [address for address in asked if not address.startswith("data:")] == []
    drawings = "return [...document.querySelectorAll('.chart :is(canvas, svg)')]"
    sizes = run(page, f"{drawings}.map(drawing => drawing.clientWidth)")
    assert len(sizes) == N_CHARTS
    assert min(sizes) > 250
    assert page.n_images() == run(page, "return document.images.length") == 6


def test_a_scatter_has_its_points(page: Browser):
    script = """const canvas = document.querySelector("canvas"), colors = new Set();
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 150) colors.add(data.slice(i, i + 3).join());
    return colors.size"""
    assert run(page, script) > 20


def test_pointing_at_a_point_tells_which_image_it_is(page: Browser):
    canvas = page.driver.find_element(By.TAG_NAME, "canvas")
    run(page, "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
    # Middles of coloured spots, from that of the canvas; what is grey is text and axes.
    script = """const [canvas] = arguments, {width, height, clientWidth} = canvas, spots = [];
    const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    const coloured = (x, y) => {
      const rgb = data.slice(4 * (y * width + x), 4 * (y * width + x) + 3);
      return data[4 * (y * width + x) + 3] > 150 && Math.max(...rgb) - Math.min(...rgb) > 60;
    };
    for (let y = 3; y < height - 3; y += 3) for (let x = 3; x < width - 3; x += 3)
      if (coloured(x, y) && coloured(x - 2, y) && coloured(x + 2, y))
        spots.push([Math.round((x - width / 2) * clientWidth / width),
                    Math.round((y - height / 2) * clientWidth / width)]);
    return spots"""
    spots = run(page, script, canvas)
    assert len(spots) > 20
    texts, shown = set(), "#vg-tooltip-element.visible"
    for x, y in spots[:: len(spots) // 20]:
        ActionChains(page.driver, duration=0).move_to_element_with_offset(canvas, x, y).perform()
        texts |= {tip.text for tip in page.driver.find_elements(By.CSS_SELECTOR, shown)}
    assert len(texts) > 5
    assert all("dB" in text and ("synthetic-" in text or ".png" in text) for text in texts), texts


def test_the_slider_moves_the_line_by_keyboard_and_by_hand(page: Browser):
    slider = page.driver.find_element(By.CSS_SELECTOR, ".compare input")
    before = page.driver.find_element(By.CSS_SELECTOR, ".compare .before")
    assert slider.accessible_name.startswith("Share of the original shown")
    assert before.value_of_css_property("clip-path") == "inset(0px 50% 0px 0px)"
    slider.send_keys(Keys.ARROW_RIGHT * 3)
    assert slider.get_attribute("value") == "53"
    assert before.value_of_css_property("clip-path") == "inset(0px 47% 0px 0px)"
    slider.send_keys(Keys.HOME)
    assert before.value_of_css_property("clip-path") == "inset(0px 100% 0px 0px)"
    slider.click()
    assert before.value_of_css_property("clip-path") == "inset(0px 50% 0px 0px)"


def test_each_side_of_the_line_shows_its_picture(page: Browser):
    element = page.driver.find_element(By.CSS_SELECTOR, ".compare")
    run(page, "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    slider = element.find_element(By.TAG_NAME, "input")
    shots = []
    for key in (Keys.HOME, Keys.END):
        slider.send_keys(key)
        shots.append(element.screenshot_as_png)
    assert shots[0] != shots[1]


def test_a_phone_shows_it_without_scrolling_sideways(page: Browser):
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    page.driver.refresh()
    drawn(page, "light")
    assert run(page, "return innerWidth") == PHONE["width"]
    assert run(page, "return document.documentElement.scrollWidth") <= PHONE["width"]
    widths = run(page, "return [...document.querySelectorAll('.chart > *')].map(c => c.scrollWidth)")
    assert max(widths) <= PHONE["width"]
    assert page.complaints() == []


@pytest.mark.parametrize("width", [360, 800, 1000, 1400])
def test_every_cell_of_every_table_is_in_sight(page: Browser, width: int):
    """Reasons of failures among them: nothing has to be found by scrolling a table sideways."""
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**PHONE, "width": width})
    page.driver.refresh()
    drawn(page, "light")
    run(page, "for (const part of document.querySelectorAll('details')) part.open = true")
    script = """return [...document.querySelectorAll('tbody :is(td, th)')].filter(cell => cell.textContent)
    .map(cell => [cell.closest('.scroll').getBoundingClientRect(), cell.getBoundingClientRect(), cell])
    .map(([room, cell, {textContent}]) => [room.left, cell.left, cell.right, room.right, textContent])"""
    cells = run(page, script)
    assert len(cells) > 200
    assert not [cell for cell in cells if not 0 <= cell[0] <= cell[1] < cell[2] <= cell[3] <= width]
    reasons = {found.text for found in page.driver.find_elements(By.CSS_SELECTOR, ".reason")}
    assert "ValueError </script><script>alert(2)</script>" in reasons


@pytest.mark.parametrize("width", [360, 1400])
def test_no_two_labels_of_an_axis_are_alike_or_touch(page: Browser, width: int):
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**PHONE, "width": width})
    page.driver.refresh()
    drawn(page, "light")
    script = """return [...document.querySelectorAll('.chart svg .role-axis-label')].map(axis =>
    [...axis.querySelectorAll('text')].filter(text => text.getAttribute('opacity') !== '0')
    .map(text => [text.textContent, text.getBoundingClientRect()])
    .map(([text, box]) => [text, box.left, box.right, box.top, box.bottom]))"""
    axes = run(page, script)
    assert len(axes) == 2 * (N_CHARTS - 2)  # but for the scatters, which are canvases
    for labels in axes:
        assert len({text for text, *_ in labels}) == len(labels) >= 2
        for (_, left, right, top, bottom), other in pairwise(labels):
            apart = other[1] > right or other[2] < left or other[3] > bottom - 4 or other[4] < top + 4
            assert apart, labels


@pytest.mark.parametrize("is_beside", [True, False])
def test_a_page_of_a_store_opens_from_its_folder_and_alone(browser: Browser, tmp_path: Path, is_beside: bool):
    store = open_store(str(tmp_path))
    append(store, [*sweep_records(), Failed.of(planned("b"), ValueError("no"))])
    store_page(store, "sweep", RunOptions(device="cpu"))
    if not is_beside:
        (tmp_path / "alone").mkdir()
        (tmp_path / "reports" / "sweep.html").rename(tmp_path / "alone" / "sweep.html")
    emulate(browser)
    browser.open((tmp_path / ("reports" if is_beside else "alone") / "sweep.html").as_uri())
    drawn(browser, "light" if is_beside else "tables")
    charts = run(browser, "return document.querySelectorAll('.chart :is(canvas, svg)').length")
    tables = run(browser, "return document.querySelectorAll('details[open] table').length")
    assert (charts, tables) == ((5, 0) if is_beside else (0, 5))
    assert ("does not lie beside it" in browser.text()) != is_beside


def test_the_dark_has_colours_of_its_own_for_page_and_charts(page: Browser):
    script = """const style = getComputedStyle(document.body), text = document.querySelector('svg text');
    return [style.backgroundColor, style.color, text.getAttribute('fill')]"""
    light = run(page, script)
    emulate(page, "dark")
    drawn(page, "dark")
    dark = run(page, script)
    assert [a != b for a, b in zip(light, dark, strict=True)] == [True, True, True]
    assert light[0] == "rgb(246, 247, 249)"
    assert dark[0] == "rgb(16, 19, 23)"
    assert page.complaints() == []
