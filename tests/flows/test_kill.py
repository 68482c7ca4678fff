"""A run that is killed, with SIGKILL, with Ctrl-C and with its terminal, and the run after it."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

import inr
from flows.engine.interrupts import CLEARED, LINE
from tasks.catalogue import lookup, parts
from tasks.store.folder import LocalStore
from tests.flows.command import inr_started, invoke, wait_for
from tests.flows.conftest import ON_A_CPU, Archived
from tests.flows.servers import is_server, servers_below
from tests.flows.terminal import Ended, Terminal
from tests.tasks.pictures import file_of, photograph

N_IMAGES = 3
HOW = (*ON_A_CPU, "--workers", 2, "--json")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(N_IMAGES):
        (folder / f"{n}.png").write_bytes(file_of(photograph(16, 16 + n, 3)))
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
    ended = invoke("archive", source, store, *HOW)
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)
    assert found["n_before"] + found["n_archived"] == N_IMAGES
    rows = lookup.latest(parts.read_images(LocalStore(store)).to_pylist(), {})
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


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "closed"])
def test_in_a_terminal_an_archive_ends_at_once_with_one_line_and_keeps_what_was_finished(
    tmp_path: Path, home: Path, how: str
):
    """With a server of its own, which must outlive the signal, and not the run."""
    photos, store = tmp_path / "photos", tmp_path / "store"
    photos.mkdir()
    (photos / "0.png").write_bytes(file_of(Image.new("RGB", (8, 8), "teal")))
    (photos / "1.png").write_bytes(file_of(photograph(64, 96, 3)))
    long = ("--model", "mlp", "--preset", "best", "--device", "cpu", "--workers", 1)
    terminal = Terminal("archive", photos, store, *long, PREFECT_API_URL="", PREFECT_HOME=str(home))
    terminal.wait_for(lambda: len(written(store)) == 1)
    [server] = servers_below(terminal.pid)
    time.sleep(3)
    check_end(terminal.end(how), how)
    rows = lookup.latest(parts.read_images(LocalStore(store)).to_pylist(), {})
    assert [(row["source_path"], row["status"]) for row in rows] == [("0.png", "archived")]
    until = time.monotonic() + 30
    while is_server(server):
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "closed"])
def test_in_a_terminal_a_restoration_ends_at_once_with_one_line(
    archived_once: Archived, tmp_path: Path, how: str
):
    """The third image is one of thousands, so that the signal comes in the midst."""
    store, target = tmp_path / "store", tmp_path / "out"
    shutil.copytree(archived_once.store, store)
    rows = parts.read_images(LocalStore(store)).to_pylist()
    [row] = [row for row in rows if row["source_path"] == "grey.png"]
    many = [
        {**row, "source_path": f"{n}.png", "also_at": [], "image_digest": f"{n:064x}"} for n in range(5000)
    ]
    parts.write_rows(LocalStore(store), parts.IMAGES, parts.new_part_name(), many)
    terminal = Terminal("restore", store, target, "--workers", 2, PREFECT_API_URL="")
    terminal.wait_for(lambda: len(list(target.glob("*.png"))) >= 3)
    check_end(terminal.end(how), how)
    restored = list(target.glob("*.png"))
    assert 3 <= len(restored) < 5000
    for path in restored:
        with Image.open(path) as image:
            image.load()


def check_end(ended: Ended, how: str) -> None:
    assert ended.code == 130, ended.text
    assert ended.seconds < 5
    if how != "closed":
        _, is_cleared, shown = ended.text.rpartition(CLEARED)  # of a bar that was drawn meanwhile, too
        assert is_cleared
        assert shown.replace("\r\n", "\n") == LINE
