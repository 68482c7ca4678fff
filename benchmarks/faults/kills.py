"""SIGKILL of the flow."""

from pathlib import Path

from benchmarks.faults.commands import wait_until
from benchmarks.faults.outcomes import Account
from benchmarks.faults.places import Place
from benchmarks.faults.scenery import Scenery
from benchmarks.faults.verdicts import judge


def flow(place: Place, account: Account, _: Scenery) -> None:
    """Kill run after run, each at a later step of the order of writes; the last one lives."""
    steps = {
        "the first claim": lambda: place.count("journal") > 0,
        "the second bitstream": lambda: place.count("bitstreams") > 1,
        "the part with the rows": lambda: place.count("catalogue/images") > 0,
    }
    account.tried = f"`inr archive` killed (SIGKILL) as soon as the store had {', then '.join(steps)}"
    fits: dict[Path, int] = {}
    for step, is_reached in steps.items():
        command = place.start()
        wait_until(is_reached, step)
        account.expect(f"it ran when it was killed, after {step}", command.is_running())
        command.kill()
        fits = written(place) | fits
        verdict = judge(place, never=frozenset(place.digests))
        left = f"{place.count('bitstreams')} bitstreams, {place.count('journal')} claims"
        account.happened.append(f"after {step}: {left}, {verdict.n_archived} images archived")
        account.expect(f"all decode after {step}", verdict.all_decode)
        account.after_fault = verdict
    last = place.archive()
    account.recovery = "archive again"
    account.recovered = [str(last), "no bitstream was written a second time"]
    if left_over := place.count("journal"):
        account.recovered.append(
            f"{left_over} claims of images that had their rows are left over, without harm"
        )
    account.expect("the last run ended well", last.code == 0)
    account.expect("no fit was repeated", fits.items() <= written(place).items())
    account.expect("nothing is left half-written", place.count(".tmp") == 0)


def written(place: Place) -> dict[Path, int]:
    """When each bitstream was written, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in (place.vault / "bitstreams").rglob("*.inr")}
