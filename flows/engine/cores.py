"""Share out the cores of this process, and its graphics card: items in flight at once, and their threads.

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
GROUPS_ON_CARD = 2  # one is fitted while the pictures of another are opened, or its files are checked
IMAGES_ON_CARD = 16  # of one fit; a step of eight takes two thirds of the time that it takes one by one


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


def n_workers(options: RunOptions, *, on_card: bool = False) -> int:
    """Items in flight at once: as many as the options name; else one per core, or two groups on a card."""
    return options.workers or (GROUPS_ON_CARD if on_card else min(n_cores(), MAX_WORKERS))


def n_threads(options: RunOptions, *, on_card: bool = False) -> int:
    """Threads of each worker, at least one, so that the workers share the cores."""
    return max(1, n_cores() // n_workers(options, on_card=on_card))


def n_fits(options: RunOptions, *, on_card: bool) -> int:
    """Fits at once, of an image or of a group; a card makes one after the other."""
    return 1 if on_card else n_workers(options)


def images_per_fit(options: RunOptions, *, on_card: bool) -> int:
    """Images that are fitted together, at most; on a CPU one alone is as fast."""
    return options.images_per_fit or (IMAGES_ON_CARD if on_card else 1)


def fits_on_card(options: RunOptions) -> bool:
    """Whether fits are made on a graphics card."""
    if options.device != "auto":
        return options.device == "cuda"
    import torch  # two seconds, and only who lets the device be chosen pays them

    return torch.cuda.is_available()
