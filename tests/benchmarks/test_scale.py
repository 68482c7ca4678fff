"""What the benchmarks of scale make of what they measured; footprints and rows are real."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import footprint, portable, queries, scale
from benchmarks.footprint import Footprint, below, resident_mib
from tasks.catalogue.parts import IMAGES_SCHEMA, list_parts, read_images
from tasks.catalogue.query import query
from tasks.store.folder import LocalStore

ORIGIN = {
    "date": "",
    "machine": {"cpu": "", "cores": 2, "architecture": ""},
    "versions": {},
    "code": "",
    "command": "",
    "other_work": "none",
}
ALLOCATE = "import time; kept = bytearray(100 << 20); time.sleep(1); sum(range(10**7)); print('done')"


def test_memory_is_that_of_the_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(footprint, "SECONDS_BETWEEN_SAMPLES", 0.05)
    found = footprint.run([sys.executable, "-c", ALLOCATE], os.environ)
    assert found.printed == "done\n"
    assert found.seconds >= 1
    assert 0.05 < found.cpu_seconds < found.seconds
    assert 100 < max(own for _, own, _ in found.samples) < 200


def test_a_command_that_fails_raises():
    with pytest.raises(subprocess.CalledProcessError):
        footprint.run([sys.executable, "-c", "raise SystemExit(3)"], os.environ)


def test_processes_below_are_found_at_any_depth():
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ALLOCATE!r}])"
    with subprocess.Popen([sys.executable, "-c", nested], stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not (pids := below(process.pid)) and time.monotonic() < until:
            time.sleep(0.01)
        assert pids
        assert pids[0] in below(os.getpid())
    assert resident_mib(pids[0]) == 0


def test_memory_is_told_at_each_tenth_of_the_images():
    samples = [(float(second), 100.0 + second, 10.0) for second in range(0, 41, 5)]
    found = scale.memory_over_time(Footprint(samples=samples), [float(n) for n in range(20, 0, -1)])
    assert [done for done, _, _ in found] == [5, 5, 10, 10, 10, 15, 15, 20, 20, 20]
    assert found[0] == (5, 105.0, 10.0)
    assert found[-1] == (20, 120.0, 10.0)


def run_of(n_images: int) -> dict[str, object]:
    return {
        "n_images": n_images,
        "n_workers": 2,
        "seconds": 0.5 * n_images + 10,
        "cpu_seconds": 0.7 * n_images,
        "flow_seconds": 0.5 * n_images,
        "encode_seconds": 0.8 * n_images,
        "verify_seconds": 0.1 * n_images,
        "memory": [(n_images, 300.0, 200.0)],
        "peak_mib": [310.0, 210.0],
        "prefect_mib": 0.05 * n_images,
        "store_mib": 1.0,
        "load_before_and_after": [1.0, 2.0],
    }


def test_what_an_image_costs_beyond_its_encode():
    assert scale.beyond_the_fit(run_of(1000)) == pytest.approx((110, 100))


def test_the_page_of_scale_tells_every_figure():
    reruns = [
        {"seconds": [5.0, 6.0], "cpu_seconds": [4.0, 4.5]},
        {"seconds": [30.0], "cpu_seconds": [20.0]},
    ]
    page = scale.to_markdown({**ORIGIN, "runs": [run_of(1000), run_of(10_000)], "reruns": reruns})
    assert "| what | 1000 images | 10000 images |" in page
    assert "| folder | 5.0, 6.0 | 4.0, 4.5 | 20 s |" in page
    assert "| 10000 | 300 | 200 |" in page


def test_rows_are_those_of_the_catalogue_and_are_found_again(tmp_path: Path):
    queries.write_parts(tmp_path, n_rows=400, rows_per_part=64)
    store = LocalStore(tmp_path)
    assert len(list_parts(store, "catalogue/images")) == 7
    table = read_images(store)
    assert (table.num_rows, table.schema.names) == (400, IMAGES_SCHEMA.names)
    assert query(store, "select count(*) from images").rows == [(380,)]  # one row in twenty is a second one
    assert {status for (status,) in query(store, "select distinct status from images").rows} == {
        "archived",
        "failed",
    }
    for sql in queries.QUERIES.values():
        assert query(store, sql.format(path="0000/0000100.jpg")).rows


def test_a_different_pixel_is_counted():
    first = {"a": "1", "b": "2"}
    assert portable.n_equal(first, first) == 2
    assert portable.n_equal(first, {"a": "1", "b": "3"}) == 1
    assert portable.n_equal(first, {"a": "1"}) == 1


def test_the_page_of_portable_tells_what_is_equal():
    run = {"condition": "1 thread", "torch": "2", "cpu_capability": "AVX2", "n_threads": 1, "compiled": True}
    other = {**run, "condition": "2 threads", "n_threads": 2, "compiled": False}
    first = {**run, "pixels": {"a": "1"}, "files": {"a.png": "2"}}
    second = {**other, "pixels": {"a": "1"}, "files": {"a.png": "3"}}
    page = portable.to_markdown({**ORIGIN, "runs": [first, second]})
    assert "| 2 threads | 2 | AVX2 | 2 | plain | 1 of 1 | 0 of 1 |" in page
