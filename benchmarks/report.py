"""`inr report` over a large catalogue: seconds, memory, size of the page, and how a browser takes it.

    python -m benchmarks.report --out benchmarks/results/report

The store has twenty real images, and rows without images behind them, written by the catalogue's own
writer in parts of 64 rows, histories included; one in fifty is a failure. The real images are the worst
ones, so that the report decodes them and reads their originals. The report is a process of its own,
timed from start to exit.
"""

import argparse
import hashlib
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.provenance import headline, provenance, write_result
from benchmarks.rd_report import table
from benchmarks.samples import make_crops
from inr.config import MODELS, CodecConfig
from tasks.catalogue.columns import HISTORY_COLUMNS
from tasks.catalogue.keys import BITSTREAM_SUFFIX, object_key
from tasks.catalogue.parts import HISTORY, IMAGES, new_part_name, write_rows
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import (
    Archived,
    Effort,
    Failed,
    NetworkFacts,
    Outcome,
    PictureFacts,
    Planned,
    Stored,
    StoredFile,
    Verification,
    now,
)
from tasks.catalogue.rows import row_of
from tasks.errors import UnsupportedImage
from tasks.originals.listing import SourceImage, list_source
from tasks.originals.reading import digest_source
from tasks.settings import RunOptions
from tasks.steps.commit import append
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore

N_REAL = 20
SIDE = 128
STEPS_OF_REAL_FITS = 200
ROWS_PER_PART = 64
REPORTS_PER_FIT = 40
LAMBDAS = (0.025, 0.01, 0.004, 0.0015, 0.0006)
LOWEST_DB = 33.0  # of rows without images, above that of the real ones
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


def synthetic_outcomes(n_rows: int, seed: int = 0) -> Iterator[Outcome]:
    """Images of a catalogue without files behind them: both models, five λ, one in fifty failed."""
    draw = random.Random(seed)
    for n in range(n_rows):
        config = CodecConfig(model=MODELS[n % 2], preset="draft", rd_lambda=LAMBDAS[n // 2 % len(LAMBDAS)])
        name = f"2024/{n % 12 + 1:02d}/synthetic-{n:06d}.jpg"
        digest = hashlib.sha256(name.encode()).hexdigest()
        image = SourceImage(digest, f"file:///nowhere/{name}", name, draw.randint(200_000, 6_000_000))
        planned = Planned.of("synthetic", Recipe(config), image)
        if n % 50 == 49:
            yield Failed.of(planned, UnsupportedImage("TIFF: expected 8 bits per sample, found 16"))
        else:
            yield _archived(planned, draw)


def _archived(planned: Planned, draw: random.Random) -> Archived:
    """The image with figures of about the size that real ones have."""
    width, height = draw.choice([(768, 512), (1024, 768), (640, 480)])
    detail = draw.gauss(0, 1)
    digest, rd_lambda = planned.image.digest, planned.setting.goal_value
    advantage = 0.65 if planned.setting.model == "cnn" else 1.0
    rate_bpp = advantage * 0.1 * (rd_lambda / 0.025) ** -0.6 * math.exp(0.5 * detail)
    psnr_db = 41 - 2.6 * math.log10(rd_lambda / 0.0006) - 1.5 * detail + draw.gauss(0, 0.8)
    n_bytes = max(200, round(rate_bpp * width * height / 8))
    fit_seconds = draw.uniform(20, 200)
    key = object_key(digest, planned.setting.archive_digest, BITSTREAM_SUFFIX)
    shown_db, similarity = max(LOWEST_DB, psnr_db), min(1.0, 0.9 + 0.002 * (psnr_db - 30))
    stored = Stored(
        planned,
        PictureFacts("JPEG", "RGB", width, height, 3, 0, 0, ()),
        Effort(1, 0, None, fit_seconds, fit_seconds + 0.5, "cpu", 1),
        StoredFile(key, digest, digest, digest, n_bytes, 8 * n_bytes / (width * height), shown_db),
        NetworkFacts(rd_lambda, 5000, 8.0 * n_bytes),
    )
    verification = Verification(shown_db, similarity, draw.uniform(0.1, 0.9), 1.0, now())
    return Archived(stored, verification, now())


def history_rows(archived: Archived) -> Iterator[dict[str, Any]]:
    """What a fit of such an image might have reported."""
    setting, file = archived.origin.setting, archived.stored.file
    for n in range(1, REPORTS_PER_FIT + 1):
        rest = math.exp(-5 * n / REPORTS_PER_FIT)
        yield {
            "schema_version": HISTORY_COLUMNS.version,
            "run_id": archived.origin.run_id,
            "image_digest": archived.origin.image.digest,
            "archive_digest": setting.archive_digest,
            "config_digest": setting.config_digest,
            "attempt": 1,
            "step": 25 * n,
            "n_steps": 25 * REPORTS_PER_FIT,
            "rd_lambda": setting.goal_value,
            "estimated_bpp": file.rate_bpp * (1 + 2 * rest),
            "psnr_db": file.psnr_db - 12 * rest,
        }


def add_synthetic_rows(store: ObjectStore, n_rows: int) -> None:
    """Write rows and their histories, in parts as large as an archive's."""
    everything = list(synthetic_outcomes(n_rows))
    for start in range(0, n_rows, ROWS_PER_PART):
        outcomes = everything[start : start + ROWS_PER_PART]
        name = new_part_name()
        done = [outcome for outcome in outcomes if isinstance(outcome, Archived)]
        write_rows(store, HISTORY, name, [row for archived in done for row in history_rows(archived)])
        write_rows(store, IMAGES, name, [row_of(outcome) for outcome in outcomes])


def make_store(work: Path, n_rows: int) -> Path:
    """The store to report on; made once and kept."""
    store = work / "store"
    if not (work / "made").exists():
        shutil.rmtree(work, ignore_errors=True)
        add_real_rows(open_store(str(store)), work / "images")
        add_synthetic_rows(open_store(str(store)), n_rows - N_REAL)
        (work / "made").touch()
    return store


def add_real_rows(store: ObjectStore, folder: Path) -> None:
    """Archive crops of photographs. Fits are cut short: to decode what came of them takes no less for it."""
    from tasks.steps.compress import compress_image
    from tasks.steps.jobs import ArchiveJob
    from tasks.steps.verify import verify_image

    options = RunOptions(device="cpu")
    recipe = Recipe(CodecConfig(preset="draft"))
    job = ArchiveJob(run_id="real", store=store.url, recipe=recipe, options=options)
    make_crops(folder, n_images=N_REAL, side=SIDE)
    records = []
    with patch.dict("inr.mlp.fit.presets._STEPS", draft=STEPS_OF_REAL_FITS):
        for file in list_source(str(folder)).files:
            digest, n_bytes = digest_source(file.uri, max_bytes=options.max_file_bytes)
            image = SourceImage(digest, file.uri, file.path, n_bytes)
            records.append(verify_image(compress_image(image, job), job))
    append(store, records)


def _inr(command: str) -> list[str]:
    return [str(Path(sys.executable).parent / "inr"), command]


def time_report(store: Path, page: Path) -> dict[str, Any]:
    """Seconds, processor seconds, greatest memory and bytes of one report.

    Raises:
        RuntimeError: It failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen([*_inr("report"), str(store), "-o", str(page)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"inr report ended with {process.returncode}")
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_mib": usage.ru_maxrss / 1024,
        "n_bytes": page.stat().st_size,
    }


def look(page: Path) -> dict[str, Any]:
    """How a browser without a screen takes the page."""
    from selenium.webdriver.support.ui import WebDriverWait

    from tests.browser import running_browser

    with running_browser() as browser:
        started = time.perf_counter()
        browser.open(page.resolve().as_uri())
        drawn = "return document.documentElement.dataset.drawn"
        WebDriverWait(browser.driver, 120, poll_frequency=0.05).until(lambda d: d.execute_script(drawn))
        seconds = time.perf_counter() - started
        browser.driver.execute_script(HOVER)  # the first moves compile what the later ones run
        times = sorted(browser.driver.execute_script(HOVER))
        return {
            "seconds_until_drawn": seconds,
            "hover_ms_median": times[len(times) // 2],
            "hover_ms_max": times[-1],
            "n_images": browser.n_images(),
            "complaints": browser.complaints(),
            "browser": browser.driver.capabilities["browserVersion"],
        }


def to_markdown(report: dict[str, Any]) -> str:
    """The result as a page."""
    seen = report["page"]
    rows = [
        ("`inr report`, start to exit", f"{report['seconds']:.1f} s"),
        ("of the processor, all threads", f"{report['cpu_seconds']:.1f} s"),
        ("greatest memory", f"{report['peak_memory_mib']:.0f} MiB"),
        ("page", f"{report['n_bytes'] / 1e6:.2f} MB"),
        (f"Chromium {seen['browser']}: opened and all charts drawn", f"{seen['seconds_until_drawn']:.1f} s"),
        ("one move of the pointer over the scatter, median", f"{seen['hover_ms_median']:.1f} ms"),
        (f"the longest of {HOVERS}", f"{seen['hover_ms_max']:.1f} ms"),
        ("pictures on the page", str(seen["n_images"])),
        ("errors in the browser's console", str(len(seen["complaints"]))),
    ]
    lines = [
        f"# Report of a catalogue of {report['n_rows']} rows",
        "",
        *headline(report),
        f"- {N_REAL} rows are of real images of {SIDE}x{SIDE}, fitted in a few steps; the rest is synthetic",
        *([f"- {report['beside']}"] if report["beside"] else []),
        *table(("what", "measured"), rows),
    ]
    return "\n".join(lines) + "\n"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.report", description="Reports of large catalogues.")
    parser.add_argument("--n-rows", type=int, default=10_000)
    parser.add_argument("--work", type=Path, default=Path("build/report"), help="folder to work in; kept")
    parser.add_argument("--beside", default="", help="what else the machine did meanwhile, for the page")
    parser.add_argument(
        "--out", type=Path, metavar="NAME", required=True, help="writes NAME.json and NAME.md"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Makes the store, reports, looks, and writes the result."""
    given = sys.argv[1:] if words is None else list(words)
    arguments = parse(given)
    work = arguments.work.resolve()
    store, page = make_store(work, arguments.n_rows), work / "report.html"
    report = {
        **provenance("benchmarks.report", given),
        "n_rows": arguments.n_rows,
        "beside": arguments.beside,
        **time_report(store, page),
        "page": look(page),
    }
    text = to_markdown(report)
    write_result(arguments.out, report, text)
    print(text)


if __name__ == "__main__":
    main()
