"""Pages of runs, and the pictures in them: read back as a browser would read them."""

import base64
import dataclasses
import hashlib
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inr
from tasks.catalogue.records import Archived, Failed, Outcome
from tasks.errors import SourceError
from tasks.report import artifact as page_module
from tasks.report.artifact import MAX_FAILURES, MAX_PAIRS, run_page, sweep_page
from tasks.report.pairs import pairs
from tasks.report.summary import RunSummary
from tasks.report.sweep import RdPoint, SweepReport
from tasks.settings import RunOptions
from tasks.store.folder import LocalStore
from tests.inr.conftest import VECTORS
from tests.tasks.pictures import file_of
from tests.tasks.rows import archived, changed, failed, planned

BITSTREAM = (VECTORS / "rgb.inr").read_bytes()
OPTIONS = RunOptions()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def photograph(store: LocalStore, name: str = "a.png") -> Archived:
    """The row of the golden file: it is in the store, and its original, turned upside down, in a folder."""
    decoded = inr.decode(BITSTREAM)
    path = store.root.parent / name
    path.write_bytes(file_of(Image.fromarray(decoded.pixels[::-1])))
    record = archived(
        name, BITSTREAM, symbols_digest=decoded.symbols_digest, pixels_digest=decoded.pixels_digest
    )
    store.put(record.stored.file.key, BITSTREAM)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return changed(record, source_uri=path.as_uri(), image_digest=digest, rate_bpp=0.375)


def page(store: LocalStore, *records: Outcome) -> str:
    """The page of a run of these rows, of which those archived are the worst."""
    worst = [record for record in records if isinstance(record, Archived)]
    return run_page(summary_of(*records), list(pairs(store, worst, OPTIONS, None)))


def summary_of(*records: Outcome) -> RunSummary:
    summary = RunSummary("run", "photos", "store", "mlp draft", "plan", len(records))
    for record in records:
        summary.add(record)
    return summary


def pictures(text: str) -> list[Image.Image]:
    found = re.findall(r"!\[[^]]*\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", text)
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in found]


def n_pixels_of(image: Image.Image, colour: tuple[int, int, int]) -> int:
    near = np.abs(np.asarray(image.convert("RGB")).astype(int) - colour).max(axis=2) < 16
    return int(near.sum())


def test_the_page_of_a_run_shows_what_failed_a_plot_and_the_worst(store: LocalStore):
    failures = [
        Failed.of(planned(f"<b>{n}.png"), SourceError("gone | away")) for n in range(MAX_FAILURES + 3)
    ]
    text = page(store, photograph(store), *failures)
    assert text.count("SourceError: gone") == MAX_FAILURES
    assert "- and 3 more" in text
    assert r"- &lt;b>0.png: SourceError: gone \| away" in text
    assert "## Rate against PSNR of 1 image\n" in text
    assert "a.png: 31.25 dB, 0.375 bpp" in text
    assert len(pictures(text)) == 2


def test_what_cannot_be_shown_is_said_and_fails_nothing(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    record = photograph(store)
    monkeypatch.setattr(page_module, "MAX_PICTURE_BYTES", 100)
    text = page(store, record)
    assert "Not shown: the page is large enough." in text
    assert len(pictures(text)) == 1
    (store.root.parent / "a.png").unlink()
    assert "Not shown: The original cannot be shown: a.png cannot be read: No such file" in page(
        store, record
    )
    store.delete(record.stored.file.key)
    assert "Not shown: The stored bitstream cannot be shown" in page(store, record)


def test_the_worst_come_first_and_are_few(store: LocalStore):
    record = photograph(store)
    rows = [changed(record, psnr_db=20.0 + n) for n in range(MAX_PAIRS + 2)]
    text = page(store, *rows)
    shown = re.findall(r"a\.png: (\d+)\.00 dB", text)
    assert shown == [str(20 + n) for n in range(MAX_PAIRS)]
    assert len(pictures(text)) == 1 + MAX_PAIRS


def test_a_run_without_an_image_has_no_picture(store: LocalStore):
    text = page(store, failed())
    assert pictures(text) == []
    assert "## Failed" in text


def test_the_page_of_a_sweep_has_its_curves_and_points():
    points = [
        RdPoint(model, "draft", 0.01, 3, 100, rate, 30.0 + rate, None, 1.0, 0.1)
        for model in ("mlp", "cnn")
        for rate in (0.1, 0.2)
    ]
    text = sweep_page(SweepReport(summary_of(archived()), 3, tuple(points)))
    assert "bytes of originals became" not in text  # each would count once per setting
    [curves] = pictures(text)
    assert n_pixels_of(curves, (245, 133, 24)) > 100
    assert text.count("| mlp | 0.01 |") == 2
    assert pictures(sweep_page(SweepReport(summary_of(), 3, ()))) == []
    exact = dataclasses.replace(points[0], psnr_db=math.inf)
    text = sweep_page(SweepReport(summary_of(), 3, (exact,)))
    assert pictures(text) == []
    assert "| inf |" in text
