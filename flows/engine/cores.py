"""Share out the cores of this process, and its graphics card: items in flight at once, and their threads."""

import os

from tasks.settings import MAX_WORKERS, RunOptions

GROUPS_ON_CARD = 2  # one is fitted while the pictures of another are opened, or its files are checked
IMAGES_ON_CARD = 16  # of one fit; a step of eight takes two thirds of the time that it takes one by one


def n_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


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
