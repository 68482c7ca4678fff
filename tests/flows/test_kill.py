"""A run that is killed, with SIGKILL and with Ctrl-C, and the run after it."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

import inr
from tasks.catalogue import lookup, parts
from tasks.store.folder import LocalStore
from tests.flows.command import inr_started, wait_for
from tests.flows.conftest import ON_A_CPU
from tests.tasks.pictures import file_of, photograph

N_IMAGES = 3
HOW = (*ON_A_CPU, "--workers", 2, "--json")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(N_IMAGES):
        (folder / f"{n}.png").write_bytes(file_of(photograph(8, 8 + n, 3)))
    return folder


def written(store: Path) -> dict[Path, int]:
    """When each bitstream was written, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in (store / "bitstreams").rglob("*.inr")}


def check_whole(store: Path) -> set[str]:
    """Every visible file is whole; returns the digests of the bitstreams' images."""
    bitstreams = list((store / "bitstreams").rglob("*.inr"))
    for path in bitstreams:
        inr.decode(path.read_bytes())
    for path in (store / "journal").rglob("*.json"):
        json.loads(path.read_bytes())
    parts.read_images(LocalStore(store))
    return {path.parent.name for path in bitstreams}


def finish(source: Path, store: Path) -> None:
    """Run again, and check that every image is archived once and nothing is left over."""
    process = inr_started("archive", source, store, *HOW)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    found = json.loads(stdout)
    assert found["n_before"] + found["n_archived"] == N_IMAGES
    rows = lookup.latest(parts.read_images(LocalStore(store)).to_pylist())
    assert [row["status"] for row in rows] == ["archived"] * N_IMAGES
    history = parts.read_history(LocalStore(store)).to_pylist()
    assert {point["image_digest"] for point in history} == {row["image_digest"] for row in rows}
    assert len(check_whole(store)) == N_IMAGES
    assert not list((store / "journal").rglob("*.json"))
    assert not list((store / ".tmp").iterdir())


def test_a_run_killed_half_way_is_finished_by_the_next_which_repeats_no_fit(source: Path, tmp_path: Path):
    store = tmp_path / "store"
    process = inr_started("archive", source, store, *HOW)
    wait_for(lambda: len(written(store)) >= 1, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    fitted = check_whole(store)
    assert 1 <= len(fitted) < N_IMAGES
    fits = written(store)
    (store / ".tmp" / "left-behind").write_bytes(b"half")
    finish(source, store)
    assert (
        fits.items()
        <= {path: path.stat().st_mtime_ns for path in (store / "bitstreams").rglob("*.inr")}.items()
    )


def test_an_interrupted_run_ends_soon_and_is_finished_by_the_next(source: Path, tmp_path: Path):
    store = tmp_path / "store"
    process = inr_started("archive", source, store, *HOW)
    wait_for(lambda: len(written(store)) >= 1, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    check_whole(store)
    finish(source, store)


def test_an_interrupt_ends_a_fit_on_its_way(tmp_path: Path):
    """A fit that would take minutes: the image of one colour before it needs none."""
    photos, store = tmp_path / "photos", tmp_path / "store"
    photos.mkdir()
    (photos / "0.png").write_bytes(file_of(Image.new("RGB", (8, 8), "teal")))
    (photos / "1.png").write_bytes(file_of(photograph(64, 96, 3)))
    long = ("--model", "mlp", "--preset", "best", "--device", "cpu", "--workers", 1, "--json")
    process = inr_started("archive", photos, store, *long)
    wait_for(lambda: len(written(store)) == 1, process)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert len(written(store)) == 1
