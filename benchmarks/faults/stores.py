"""Stores that refuse or are slow: a full disk, a read-only one, an S3 server that is busy, a slow network."""

import time

from PIL import Image, ImageOps

from benchmarks.faults.commands import AS_NOBODY_SPECIAL, Ended
from benchmarks.faults.outcomes import Account
from benchmarks.faults.places import Place, mount
from benchmarks.faults.scenery import Scenery
from benchmarks.faults.verdicts import judge

FIRST_KIB, STEP_KIB, MOST_KIB = 8, 20, 1024
BYTES_PER_SECOND = 2000
CUT_AFTER, CUTS = 300, 5
FOR_EVER = 1 << 30
CALM_SECONDS, GUST_SECONDS = 3.0, 2.0


def full_disk(place: Place, account: Account, _: Scenery) -> None:
    """Archive to a file system that is full, and make it larger bit by bit until everything fits."""
    size = FIRST_KIB
    account.tried = (
        f"store on a tmpfs of {size} KiB, and after each run that failed {STEP_KIB} KiB more, so that the "
        "disk was full at one write after the other"
    )
    place.vault.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size}k", "tmpfs", place.store)
    runs: list[Ended] = []
    while not (runs and runs[-1].code == 0) and size <= MOST_KIB:
        if runs:
            size += STEP_KIB
            mount("-o", f"remount,size={size}k", place.store)
        runs.append(place.archive())
        account.after_fault = judge(place, never=frozenset(place.digests))
        account.expect("nothing undecodable at any size", account.after_fault.all_decode)
        account.expect("no temporary file is left", place.count(".tmp") == 0)
    refused = runs[:-1]
    account.happened = sorted({str(ended) for ended in refused})
    account.recovery = f"make room, archive again (run {len(runs)}, {size} KiB)"
    account.recovered = [str(runs[-1])]
    account.expect("several runs met a full disk", len(refused) >= 2)
    account.expect("each stated it", all("No space left" in each.said or each.code == 1 for each in refused))
    account.expect("ended well with room", runs[-1].code == 0)


def read_only(place: Place, account: Account, _: Scenery) -> None:
    """Make the file system of a store read-only in the middle of a run."""
    account.tried = (
        "the store's file system mounted read-only in the middle of a run; another run begun on it"
    )
    place.vault.mkdir()
    mount("--bind", place.store, place.store)
    command = place.begun()
    mount("-o", "remount,bind,ro", place.store)
    amid, begun = command.ended(), place.archive()
    account.saw(place, amid, begun)
    mount("-o", "remount,bind,rw", place.store)
    account.recover(place, "mount it to be written, archive again")
    stated = all("Read-only file system" in ended.said and ended.code for ended in (amid, begun))
    account.expect("both runs failed and stated why", stated)


def not_allowed(place: Place, account: Account, _: Scenery) -> None:
    """Archive to a folder that may not be written."""
    account.tried = "a store of mode 500, by a process without the capabilities of root"
    place.vault.mkdir(mode=0o500)
    ended = place.archive(before=AS_NOBODY_SPECIAL)
    account.saw(place, ended)
    place.vault.chmod(0o700)
    account.recover(place, "`chmod`, archive again", before=AS_NOBODY_SPECIAL)
    account.expect("failed and stated why", ended.code != 0 and "Permission denied" in ended.said)


def storm(place: Place, account: Account, scenery: Scenery) -> None:
    """Have an S3 server answer with 503: in gusts, then, in another run, to all from its middle on."""
    proxy = scenery.proxy
    account.tried = (
        f"again and again, after {CALM_SECONDS:g} s, all connections to S3 cut and for {GUST_SECONDS:g} s "
        "every request answered with 503; then, with new photographs and `INR_OUTAGE_SECONDS=0`, the same "
        "from the middle of a run on without an end"
    )
    command = place.start()
    while command.is_running():
        proxy.busy = FOR_EVER
        proxy.hang_up()
        time.sleep(GUST_SECONDS)
        proxy.busy = 0
        time.sleep(CALM_SECONDS)
    gusts, n_refused = command.ended(), proxy.n_refused
    more(place)
    command = place.begun(INR_OUTAGE_SECONDS="0")
    proxy.busy = FOR_EVER
    proxy.hang_up()
    refused = command.ended()
    proxy.busy = 0
    account.saw(place, f"{n_refused} requests refused: {gusts}", refused)
    account.recover(place, "wait until it is over, archive again")
    account.expect("gusts met requests", n_refused > 0)
    account.expect("gusts are ridden out", gusts.code == 0)
    account.expect("a storm without end ends the run, by a named error", refused.code in (1, 6))


def slow_network(place: Place, account: Account, scenery: Scenery) -> None:
    """Have everything that an S3 server answers come slowly, and some of it cut off."""
    proxy = scenery.proxy
    account.tried = (
        f"source and store in S3, answers at {BYTES_PER_SECOND} bytes/s each, "
        f"the first {CUTS} connections cut after {CUT_AFTER} bytes"
    )
    proxy.bytes_per_second = BYTES_PER_SECOND
    proxy.cut_after, proxy.cuts = CUT_AFTER, CUTS
    ended = place.archive()
    seconds = f"{ended.printed.get('wall_seconds', 0):.0f} s"
    account.happened = [f"{ended}, after {seconds}", f"{CUTS - proxy.cuts} answers cut"]
    account.after_fault = judge(place)
    proxy.bytes_per_second, proxy.cuts = None, 0
    account.recover(place, "none needed; archive again")
    account.expect("the run ended well", ended.code == 0)


def more(place: Place) -> None:
    """Put as many photographs again into the source, all different from those that are there."""
    for path in sorted(place.photos.glob("crop-*.png")):
        with Image.open(path) as picture:
            ImageOps.mirror(picture).save(path.with_name(f"mirrored-{path.name}"))
    place.remember()
