import argparse

from benchmarks.archive.report import Result, Seen, page

SEEN = Seen("156", 1.25, 0.5, 1.0, 20, [])


def result(steps: list[int]) -> Result:
    return Result(steps, seconds=8.6, cpu_seconds=9.3, peak_memory_mib=790.6, n_bytes=2_115_811, page=SEEN)


def test_the_page_has_every_figure():
    lines = page(result([200]), argparse.Namespace(n_rows=10_000))
    assert lines[0] == "# Report of a catalogue of 10000 rows"
    assert "| `inr report`, start to exit | 8.6 s |" in lines
    assert "| Chromium 156: opened and all charts drawn | 1.2 s |" in lines
    assert "| errors in the browser's console | 0 |" in lines
