import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from flows.engine.cores import fits_on_card, images_per_fit, n_cores, n_fits, n_threads, n_workers
from tasks.settings import MAX_WORKERS, RunOptions
from tests.flows.command import ROOT, SHORTLY, modules_after
from tests.tasks.pictures import file_of, photograph

CONTROLLER = Path("/sys/fs/cgroup/cpu")  # of version 1
JOIN = """
import pathlib, sys
pathlib.Path(sys.argv.pop(1), "cgroup.procs").write_text("0")
"""
COUNT = """
from flows.engine.cores import n_cores, n_workers
from tasks.settings import RunOptions
print(n_cores(), n_workers(RunOptions(device="cpu")))
"""


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))


@pytest.mark.parametrize(
    ("options", "workers", "threads"),
    [
        (RunOptions(), 8, 1),
        (RunOptions(workers=3), 3, 2),
        (RunOptions(workers=16), 16, 1),
    ],
)
@pytest.mark.usefixtures("eight_cores")
def test_workers_share_the_cores(options: RunOptions, workers: int, threads: int):
    assert (n_cores(), n_workers(options), n_threads(options)) == (8, workers, threads)
    cpu = options.model_copy(update={"device": "cpu"})
    assert not fits_on_card(cpu)
    assert (n_fits(cpu, on_card=False), images_per_fit(cpu, on_card=False)) == (workers, 1)


@pytest.mark.parametrize(
    ("options", "workers", "threads", "together"),
    [
        (RunOptions(device="cuda"), 2, 4, 16),
        (RunOptions(device="cuda", workers=4), 4, 2, 16),
        (RunOptions(device="cuda", images_per_fit=3), 2, 4, 3),
    ],
)
@pytest.mark.usefixtures("eight_cores")
def test_a_card_fits_a_group_while_another_is_opened_or_checked(
    options: RunOptions, workers: int, threads: int, together: int
):
    assert fits_on_card(options)
    assert (n_workers(options, on_card=True), n_threads(options, on_card=True)) == (workers, threads)
    assert (n_fits(options, on_card=True), images_per_fit(options, on_card=True)) == (1, together)


def test_a_large_machine_has_no_more_workers_than_the_engine_has_room_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(1000)))
    assert n_workers(RunOptions(device="cpu")) == MAX_WORKERS


def test_counting_loads_torch_only_where_the_device_is_left_open():
    counted = "from flows.engine.cores import *; from tasks.settings import RunOptions;"
    assert "torch" not in modules_after(f"{counted} fits_on_card(RunOptions(device='cpu'))")
    assert "torch" not in modules_after(f"{counted} n_threads(RunOptions())")
    assert "torch" in modules_after(f"{counted} fits_on_card(RunOptions())")


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of the system's, with one in it; not everybody may make some."""
    group = CONTROLLER / f"inr-test-{os.getpid()}"
    try:
        (group / "inner").mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    try:
        yield group
    finally:
        for folder in (group / "inner", group):
            with suppress(OSError):
                folder.rmdir()


def test_a_quota_of_the_system_decides_how_many_fits_there_are(group: Path):
    """That of the group itself, and that of the group above it."""
    for limited in (group / "inner", group):
        (limited / "cpu.cfs_quota_us").write_text("50000")
        joined = [sys.executable, "-c", JOIN + COUNT, str(group / "inner")]
        done = subprocess.run(joined, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["1", "1"]
        (limited / "cpu.cfs_quota_us").write_text("-1")
    done = subprocess.run(joined, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == str(len(os.sched_getaffinity(0)))


def test_inr_encode_fits_with_as_many_threads_as_its_quota_has_cores(group: Path, tmp_path: Path):
    (group / "cpu.cfs_quota_us").write_text("90000")
    (tmp_path / "a.png").write_bytes(file_of(photograph(8, 8)))
    words = [str(tmp_path / "a.png"), "-o", str(tmp_path / "a.inr"), "--model", "mlp", "--device", "cpu"]
    program = JOIN + SHORTLY + "from flows.cli import main; main()"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            str(group / "inner"),
            "encode",
            *words,
            "--preset",
            "draft",
            "--json",
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["n_threads"] == 1


VERSION_2 = "26 25 0:24 {root} {top} rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
VERSION_1 = "33 31 0:30 {root} {top} rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
PODS = "/kubepods/pod1/c"


@pytest.mark.parametrize(
    ("mount", "root", "cgroup", "files", "cores"),
    [
        (VERSION_2, "/", "0::/", {"cpu.max": "max 100000"}, 8),
        (VERSION_2, "/", "0::/", {"cpu.max": "250000 100000"}, 3),
        (VERSION_2, "/", "0::/", {"cpu.max": "20000 100000"}, 1),
        (VERSION_2, "/", "0::/", {"cpu.max": "6400000 100000"}, 8),
        (
            VERSION_2,
            "/",
            "0::/a.slice/b",
            {"a.slice/cpu.max": "200000 100000", "a.slice/b/cpu.max": "max 1"},
            2,
        ),
        (VERSION_2, "/", "0::/a/b", {"a/b/cpu.max": "400000 100000"}, 4),
        (VERSION_2, "/", "0::/../..", {"cpu.max": "300000 100000"}, 3),
        (VERSION_2, PODS, f"0::{PODS}", {"cpu.max": "300000 100000"}, 3),
        (VERSION_2, "/", "0::/", {}, 8),
        (VERSION_1, "/", "4:cpu,cpuacct:/", {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, 8),
        (
            VERSION_1,
            PODS,
            f"4:cpu,cpuacct:{PODS}",
            {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "10000"},
            5,
        ),
        (VERSION_1, "/", "4:memory:/", {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "10000"}, 8),
    ],
)
@pytest.mark.usefixtures("eight_cores")
def test_a_quota_is_found_in_either_version(
    mount: str, root: str, cgroup: str, files: dict[str, str], cores: int, tmp_path: Path
):
    """With files as systemd, Docker and Kubernetes have them; this kernel may have the other version."""
    top, process = tmp_path / "top", tmp_path / "self"
    for folder in (top, process):
        folder.mkdir()
    (process / "mountinfo").write_text(mount.format(root=root, top=top))
    (process / "cgroup").write_text(f"{cgroup}\n")
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(f"{text}\n")
    assert n_cores(process) == cores


@pytest.mark.usefixtures("eight_cores")
def test_a_system_without_control_groups_has_no_quota(tmp_path: Path):
    assert n_cores(tmp_path) == 8
