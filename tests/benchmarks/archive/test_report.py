import argparse
from pathlib import Path

from benchmarks.archive.here import steps_of_fits
from benchmarks.archive.report import Result, Seen, add_real_rows, page
from tasks.catalogue.parts import read_history
from tasks.store.locations import open_store

SEEN = Seen("156", 1.25, 0.5, 1.0, 20, [])


def result(steps: list[int]) -> Result:
    return Result(steps, seconds=8.6, cpu_seconds=9.3, peak_memory_mib=790.6, n_bytes=2_115_811, page=SEEN)


def test_the_page_states_the_steps_that_the_fits_really_took(tmp_path: Path):
    """They were asked for in one family while the fits were of the other, and nobody saw it."""
    add_real_rows(tmp_path, n_images=2, side=16, n_steps=100)
    store = tmp_path / "store"
    taken = read_history(open_store(str(store))).column("step").to_pylist()
    steps = steps_of_fits(store)
    assert max(taken) == 100
    assert steps == [100]
    assert "of 128x128, fitted in 100 steps; the rest is synthetic" in "\n".join(
        page(result(steps), argparse.Namespace(n_rows=100))
    )


def test_the_page_has_every_figure():
    lines = page(result([200]), argparse.Namespace(n_rows=10_000))
    assert lines[0] == "# Report of a catalogue of 10000 rows"
    assert "| `inr report`, start to exit | 8.6 s |" in lines
    assert "| Chromium 156: opened and all charts drawn | 1.2 s |" in lines
    assert "| errors in the browser's console | 0 |" in lines
