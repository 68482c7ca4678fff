"""`inr report` over a large catalogue: seconds, memory, size of the page, and how a browser takes it.

    python -m benchmarks.archive.report --out benchmarks/results/report

The store has twenty real images, and made-up rows with histories. The real images are the worst ones, so
that the report decodes them and reads their originals. The report is a process of its own, timed from start
to exit.
"""

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import frame, processes
from benchmarks.archive.here import archive_here, steps_of_fits
from benchmarks.archive.rows import add_synthetic_rows
from benchmarks.frame import numbers, table, timed
from benchmarks.processes import INR
from benchmarks.samples import make_crops
from inr.config import CodecConfig
from tasks.catalogue.recipe import Recipe
from tasks.store.locations import open_store

N_REAL = 20
SIDE = 128
STEPS = 200
HOVERS = 100

# Moves the pointer over the first scatter; returns how long the page took for each move, in milliseconds.
HOVER = f"""
const canvas = document.querySelector(".chart canvas"), box = canvas.getBoundingClientRect(), times = [];
for (let i = 0; i < {HOVERS}; i++) {{
  const x = box.x + box.width * (0.15 + 0.7 * i / {HOVERS}), y = box.y + box.height * 0.5;
  const at = {{clientX: x, clientY: y, bubbles: true}};
  const started = performance.now();
  for (const kind of ["pointermove", "mousemove"])
    canvas.dispatchEvent(new (kind[0] == "p" ? PointerEvent : MouseEvent)(kind, at));
  times.push(performance.now() - started);
}}
return times;
"""


@dataclass(frozen=True)
class Seen:
    """The page in a browser."""

    browser: str
    seconds_until_drawn: float
    hover_ms_median: float
    hover_ms_max: float
    n_images: int
    complaints: Sequence[str]


@dataclass(frozen=True)
class Result:
    """A report; `steps` are those that the fits of the real images took, by the store's histories."""

    steps: Sequence[int]
    seconds: float
    cpu_seconds: float
    peak_memory_mib: float
    n_bytes: int
    page: Seen


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--n-rows", type=int, default=10_000)


def measure(arguments: argparse.Namespace) -> Result:
    """Make the store, unless it is there, report on it, and look at the page."""
    work = arguments.work.resolve()
    store, file = work / "store", work / "report.html"
    if not (work / "made").exists():
        shutil.rmtree(work, ignore_errors=True)
        add_real_rows(work)
        add_synthetic_rows(open_store(str(store)), arguments.n_rows - N_REAL)
        (work / "made").touch()
    cost = processes.run([INR, "report", str(store), "-o", str(file)])
    return Result(
        steps=steps_of_fits(store),
        seconds=cost.seconds,
        cpu_seconds=cost.cpu_seconds,
        peak_memory_mib=cost.peak_mib,
        n_bytes=file.stat().st_size,
        page=look(file),
    )


def add_real_rows(work: Path, n_images: int = N_REAL, side: int = SIDE, n_steps: int = STEPS) -> None:
    """Archive crops of photographs. Fits are cut short: decoding what they became takes no less for it."""
    make_crops(work / "images", n_images=n_images, side=side)
    recipe = Recipe(CodecConfig(preset="draft"), n_steps=n_steps)
    archive_here(work / "images", str(work / "store"), recipe)


def look(file: Path) -> Seen:
    """Open the page in a browser without a screen."""
    from selenium.webdriver.support.ui import WebDriverWait

    from tests.browser import running_browser

    with running_browser() as browser:
        drawn = "return document.documentElement.dataset.drawn"
        wait = WebDriverWait(browser.driver, 120, poll_frequency=0.05)

        def show() -> None:
            browser.open(file.resolve().as_uri())
            wait.until(lambda driver: driver.execute_script(drawn))

        _, seconds = timed(show)
        browser.driver.execute_script(HOVER)  # the first moves compile what the later ones run
        times = sorted(browser.driver.execute_script(HOVER))
        return Seen(
            browser=browser.driver.capabilities["browserVersion"],
            seconds_until_drawn=seconds,
            hover_ms_median=times[len(times) // 2],
            hover_ms_max=times[-1],
            n_images=browser.n_images(),
            complaints=browser.complaints(),
        )


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    seen = result.page
    rows = [
        ("`inr report`, start to exit", f"{result.seconds:.1f} s"),
        ("of the processor, all threads", f"{result.cpu_seconds:.1f} s"),
        ("greatest memory", f"{result.peak_memory_mib:.0f} MiB"),
        ("page", f"{result.n_bytes / 1e6:.2f} MB"),
        (f"Chromium {seen.browser}: opened and all charts drawn", f"{seen.seconds_until_drawn:.1f} s"),
        ("one move of the pointer over the scatter, median", f"{seen.hover_ms_median:.1f} ms"),
        (f"the longest of {HOVERS}", f"{seen.hover_ms_max:.1f} ms"),
        ("pictures on the page", str(seen.n_images)),
        ("errors in the browser's console", str(len(seen.complaints))),
    ]
    return [
        f"# Report of a catalogue of {arguments.n_rows} rows",
        f"- {N_REAL} rows are of real images of {SIDE}x{SIDE}, fitted in {numbers(result.steps, 0)} steps; "
        "the rest is synthetic",
        *table(("what", "measured"), rows),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.archive.report", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()
