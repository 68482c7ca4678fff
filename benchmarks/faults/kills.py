"""SIGKILL of the flow, of the Prefect server and of the S3 server, and two archives at once."""

import time
from pathlib import Path

from benchmarks.faults.commands import wait_until
from benchmarks.faults.outcomes import Account
from benchmarks.faults.places import Place
from benchmarks.faults.scenery import Scenery
from benchmarks.faults.verdicts import all_rows, judge
from benchmarks.frame import timed

BACK_AFTER_SECONDS = 120.0  # long after a command that only reads has given up


def flow(place: Place, account: Account, _: Scenery) -> None:
    """Kill run after run, each at a later step of the order of writes; the last one lives."""
    steps = {
        "the first claim": lambda: place.n_claims() > 0,
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
        account.after_fault = verdict = judge(place, never=frozenset(place.digests))
        left = f"{place.count('bitstreams')} bitstreams, {place.count('journal')} claims"
        account.happened.append(f"after {step}: {left}, {verdict.n_archived} images archived")
        account.expect(f"all decode after {step}", verdict.all_decode)
    account.recover(place, "archive again")
    account.recovered.append("no bitstream was written a second time")
    if left_over := place.n_claims():
        account.recovered.append(
            f"{left_over} claims of images that had their rows are left over, without harm"
        )
    account.expect("no fit was repeated", fits.items() <= written(place).items())
    account.expect("nothing is left half-written", place.count(".tmp") == 0)


def prefect_server(place: Place, account: Account, scenery: Scenery) -> None:
    """Kill the server that a run reports to, and start it again."""
    account.tried = "the Prefect server (SQLite) killed while `inr archive` reported to it"
    command = place.begun()
    scenery.installation.kill()
    ended, seconds = timed(command.ended)
    stored = f"{place.count('bitstreams')} of {len(place.digests)} bitstreams stored"
    account.saw(place, f"the run ended {seconds:.0f} s later: {ended}", stored)
    account.happened.append(f"a run begun without the server: {place.archive()}")
    scenery.installation.start()
    account.recover(place, "start it again, archive again")


def s3_server_for_good(place: Place, account: Account, scenery: Scenery) -> None:
    """Kill the S3 server in the middle of a run; it comes back only for the next."""
    account.tried = (
        "the S3 server killed while `inr archive`, with `INR_OUTAGE_SECONDS=0`, wrote to it; it stayed away"
    )
    command = place.begun(INR_OUTAGE_SECONDS="0")
    scenery.server.kill()
    ended = command.ended()
    scenery.server.start()
    account.saw(place, ended)
    account.recover(place, "start it again, archive again")
    account.expect("the run failed, by a named error", ended.code in (1, 6) and "Traceback" not in ended.said)


def s3_server_for_two_minutes(place: Place, account: Account, scenery: Scenery) -> None:
    """Kill the S3 server in the middle of a run, and start it again after two minutes."""
    account.tried = (
        f"the S3 server killed while `inr archive` wrote to it, and started {BACK_AFTER_SECONDS:g} s later"
    )
    command = place.begun()
    scenery.server.kill()
    time.sleep(BACK_AFTER_SECONDS)
    scenery.server.start()
    ended = command.ended()
    account.happened, account.after_fault = [str(ended)], judge(place)
    account.recover(place, "none needed; archive again")
    account.expect("the run ended well", ended.code == 0)
    account.expect("it said that it waits", "is asked again for 3600 s" in ended.said)


def two_at_once(place: Place, account: Account, _: Scenery) -> None:
    """Archive one source into one store twice at the same time."""
    account.tried = "`inr archive` of one source into one store, twice at the same time"
    both = [place.start(), place.start()]
    ended = [command.ended() for command in both]
    rows = [row for row in all_rows(place.stored) if row["status"] == "archived"]
    digests = {row["image_digest"]: row["bitstream_digest"] for row in rows}
    account.happened = [*map(str, ended), f"{place.count('bitstreams')} bitstreams, {len(rows)} rows"]
    account.after_fault = judge(place)
    account.recover(place, "none needed; archive again")
    account.expect("both ended well", all(each.code == 0 for each in ended))
    account.expect("one bitstream of each image", place.count("bitstreams") == len(place.digests))
    account.expect(
        "all rows of an image name it", all(digests[r["image_digest"]] == r["bitstream_digest"] for r in rows)
    )
    account.expect("no claim is left", place.n_claims() == 0)


def written(place: Place) -> dict[Path, int]:
    """The time at which each bitstream was written, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in (place.vault / "bitstreams").rglob("*.inr")}
