"""Share out the cores of this process: items in flight at once, and the threads of each.

A container's limit of CPU time is a quota of a control group: its processes see every core of the host, and
are stopped for the rest of each period once they have had their time. So a quota counts as that many cores.
"""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tasks.settings import MAX_WORKERS, RunOptions

PROCESS = Path("/proc/self")


def n_cores(process: Path = PROCESS) -> int:
    """CPU cores that this process may use: those of its affinity, or its quota of them where that is less.

    Args:
        process: The folder in which the system says which control groups it is in, and where these are.
    """
    return min([len(os.sched_getaffinity(0)), *map(math.ceil, _quotas(process))])


def _quotas(process: Path) -> Iterator[float]:
    """The quotas in cores of a process's control groups and of those that hold them, in either version."""
    for folder, top in _groups(process):
        while True:
            with suppress(OSError, ValueError):  # none is set, or there are no such files up there
                yield _quota(folder)
            if folder == top:
                break
            folder = folder.parent


def _quota(folder: Path) -> float:
    """The quota of a control group; ValueError or OSError where it has none."""
    if (of_version_2 := folder / "cpu.max").exists():
        quota, period = of_version_2.read_text().split()
    else:
        quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
    if int(quota) <= 0:
        raise ValueError("no quota")
    return int(quota) / int(period)


def _groups(process: Path) -> Iterator[tuple[Path, Path]]:
    """The folders of control groups that can limit CPU time, each with that where its kind is mounted."""
    try:
        mounts = (process / "mountinfo").read_text().splitlines()
        groups = [line.split(":", 2) for line in (process / "cgroup").read_text().splitlines()]
    except OSError:  # not on this system
        return
    names = {
        "cgroup" if kinds else "cgroup2": Path(path)
        for _, kinds, path in groups
        if not kinds or "cpu" in kinds.split(",")
    }
    for line in mounts:
        mounted, _, how = line.partition(" - ")
        kind, _, options = how.split(" ", 2)
        if kind in names and (kind == "cgroup2" or "cpu" in options.split(",")):
            root, top = mounted.split()[3:5]
            below = names[kind]
            is_below = below.is_relative_to(root) and ".." not in below.parts
            yield Path(top) / (below.relative_to(root) if is_below else ""), Path(top)


def n_workers(options: RunOptions) -> int:
    """Items in flight at once: as many as the options name; else one per core, or one alone on a GPU."""
    if options.workers:
        return options.workers
    return 1 if _is_on_gpu(options) else min(n_cores(), MAX_WORKERS)


def n_threads(options: RunOptions) -> int:
    """Threads of each worker, at least one, so that the workers share the cores."""
    return max(1, n_cores() // n_workers(options))


def _is_on_gpu(options: RunOptions) -> bool:
    if options.device != "auto":
        return options.device == "cuda"
    import torch  # two seconds, and only who lets the device be chosen pays them

    return torch.cuda.is_available()
