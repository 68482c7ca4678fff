"""One Prefect server and one archive for all tests of the flows, and fits that are over soon."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from flows.engine.embedded import quiet_prefect
from inr.config import CodecConfig
from tasks.catalogue import lookup, parts
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions
from tasks.store.folder import LocalStore
from tests.lengths import short_drafts
from tests.tasks.pictures import file_of, image, photograph, png_header

quiet_prefect()  # before any test module imports Prefect

DRAFT = CodecConfig(model="mlp", preset="draft")
OPTIONS = RunOptions(device="cpu", workers=2)
ON_A_CPU = ("--model", "mlp", "--preset", "draft", "--device", "cpu")  # DRAFT, in words of `inr`

GOOD = {"grey.png", "alpha.png", "a/turned.jpg", r"new\nline.png", r"not\xffutf8.png"}
ONE_COLOUR = {r"new\nline.png"}  # needs no fit
BAD = {
    "empty.png": "UnsupportedImage",
    "text.jpg": "UnsupportedImage",
    "deep.png": "UnsupportedImage",
    "loop.png": "UnsuitableFile",
}


@dataclass(frozen=True)
class Archived:
    """A source, a store that it was archived into, and what came of it."""

    source: Path
    store: Path
    summary: RunSummary


@pytest.fixture(scope="session", autouse=True)
def server() -> Iterator[str]:
    """The URL of a Prefect server of our own; subprocesses find it in the environment."""
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    # The thread of a run's heartbeats sleeps by the second, and each run waits until it wakes.
    without_heartbeats = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with without_heartbeats, prefect_test_harness(server_startup_timeout=300):
        url = PREFECT_API_URL.value() or ""
        os.environ["PREFECT_API_URL"] = url
        yield url
        del os.environ["PREFECT_API_URL"]


@pytest.fixture(autouse=True)
def short_fits() -> Iterator[None]:
    """What flows do with a fit does not depend on how long it is."""
    with short_drafts():
        yield


@pytest.fixture
def home(server: str, tmp_path: Path) -> Path:
    """A place for a server of its own, as an earlier run has left it: its database has its tables."""
    from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL

    url = str(PREFECT_SERVER_DATABASE_CONNECTION_URL.value())
    place = tmp_path / "home"
    place.mkdir()
    with (
        closing(sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"))) as used,
        closing(sqlite3.connect(place / "prefect.db")) as copy,
    ):
        used.backup(copy)
    return place


def fill(folder: Path) -> Path:
    """A folder with photographs of most kinds, and most of what else is found among photographs."""
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "a").mkdir(parents=True)
    (folder / "grey.png").write_bytes(file_of(photograph(24, 24, 1)))
    (folder / "alpha.png").write_bytes(file_of(photograph(9, 17, 4)))
    (folder / "a" / "turned.jpg").write_bytes(file_of(photograph(16, 24, 3), "JPEG", exif=exif.tobytes()))
    (folder / "copy.png").write_bytes(file_of(photograph(9, 17, 4)))
    (folder / "new\nline.png").write_bytes(file_of(image(1, 1, 3)))
    (folder / os.fsdecode(b"not\xffutf8.png")).write_bytes(file_of(photograph(1, 16, 2)))
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no photograph")
    (folder / "deep.png").write_bytes(png_header(8, 8, depth=16, rows=bytes(1000)))
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "up").symlink_to(folder)
    (folder / "notes.txt").write_text("left out")
    return folder


@pytest.fixture(scope="session")
def archived_once(server: str, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    """The folder of `fill`, archived; tests must leave it as it is, see `archived`."""
    from flows.archive import archive

    source = fill(tmp_path_factory.mktemp("once") / "photos")
    store = source.parent / "store"
    with short_drafts():
        summary = archive(str(source), str(store), DRAFT, OPTIONS)
    return Archived(source, store, summary)


@pytest.fixture
def archived(archived_once: Archived, tmp_path: Path) -> Archived:
    """A copy of `archived_once` that a test may change."""
    source, store = tmp_path / "photos", tmp_path / "store"
    shutil.copytree(archived_once.source, source, symlinks=True)
    shutil.copytree(archived_once.store, store)
    return Archived(source, store, archived_once.summary)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five images, of which three are of one colour and need no fit, and one that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(5):
        (folder / f"{n}.png").write_bytes(file_of(image(1, 1, n + 1) if n < 3 else photograph(8, 8 + n)))
    (folder / "bad.png").write_text("no photograph")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def rows_of(store: Path) -> dict[str, parts.Row]:
    """The latest row of every image, by path."""
    rows = lookup.latest(parts.read_images(LocalStore(store)).to_pylist(), {})
    return {row["source_path"]: row for row in sorted(rows, key=lambda row: row["recorded_at"])}


def check_photos(summary: RunSummary, store: LocalStore) -> None:
    """All of `photos` is rows of one run, and nothing of the run is left over."""
    rows = rows_of(store.root)
    assert (summary.n_planned, summary.n_archived, summary.n_failed, summary.n_bad) == (7, 5, 2, 2)
    assert {path for path, row in rows.items() if row["status"] == "failed"} == {"bad.png", "loop.png"}
    assert {row["run_id"] for row in rows.values()} == {summary.run_id}
    assert len(parts.read_images(store)) == 7
    assert store.objects("runs") == store.objects("journal") == []
