"""``python -m benchmarks.faults``: every fault, or those named, and the table of their outcomes.

Wants a mount namespace of its own, which `make faults` gives it, and ends with exit code 1 if any
fault ended badly.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.faults import flips, images, kills, stores, workers
from benchmarks.faults.outcomes import Fault, Outcome, done, outcome_of, page
from benchmarks.faults.scenery import Scenery
from benchmarks.frame import Origin, origin_of, result_file, write

FOLDERS, S3 = Scenery.in_folders, Scenery.in_s3
FAULTS = (
    Fault("kill -9 of the flow", kills.flow, FOLDERS),
    Fault("kill -9 of a worker", workers.worker_alone, FOLDERS),
    Fault("kill -9 of a worker's run", workers.run_alone, FOLDERS),
    Fault("kill -9 of a worker and its run", workers.worker_and_run, FOLDERS),
    Fault("kill -9 of the S3 server", kills.s3_server_for_good, S3),
    Fault("S3 server away for two minutes", kills.s3_server_for_two_minutes, S3),
    Fault("kill -9 of the Prefect server", kills.prefect_server, FOLDERS),
    Fault("full disk", stores.full_disk, FOLDERS),
    Fault("read-only store", stores.read_only, FOLDERS),
    Fault("store without permission", stores.not_allowed, FOLDERS),
    Fault("503 storm", stores.storm, S3),
    Fault("slow network", stores.slow_network, Scenery.all_in_s3),
    Fault("bad files among the originals", images.all_kinds, FOLDERS),
    Fault("bits flipped in bitstreams", flips.bitstreams, FOLDERS),
    Fault("bit flipped in a row", flips.row, FOLDERS),
    Fault("bit flipped in a Parquet part", flips.footer, FOLDERS),
    Fault("bits flipped in claims", flips.claim, FOLDERS),
    Fault("two archives at once, folder", kills.two_at_once, FOLDERS),
    Fault("two archives at once, S3", kills.two_at_once, S3),
)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.faults", description="Faults and their outcomes.")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="WORD",
        help="those with one of these words in their names; other rows of --out stay",
    )
    parser.add_argument("--work", type=Path, default=Path("build/faults"), help="folder to work in; emptied")
    parser.add_argument("--out", type=Path, metavar="NAME", help="writes NAME.json and NAME.md")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Does the faults and writes the table; returns the exit code."""
    given = sys.argv[1:] if words is None else list(words)
    arguments = parse(given)
    work = arguments.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    wanted = [f for f in FAULTS if not arguments.only or any(word in f.name for word in arguments.only)]
    outcomes, command = earlier(arguments.out) if arguments.only and arguments.out else ({}, "")
    origin, good = origin_of("benchmarks.faults", given), True
    origin = replace(origin, command="`, then `".join(filter(None, (command, origin.command))))
    with Scenery(work) as scenery:
        for outcome in done(wanted, scenery):
            good &= outcome.is_good
            outcomes[outcome.name] = outcome
            print(
                f"{outcome.seconds:4.0f} s", "good" if outcome.is_good else "BAD ", outcome.name, flush=True
            )
            for reason in outcome.reasons():
                print(reason, flush=True)
            if arguments.out:
                store(arguments.out, origin, list(outcomes.values()))
    return 0 if good else 1


def earlier(out: Path) -> tuple[dict[str, Outcome], str]:
    """The rows that are there already, by name, and the command that made them."""
    path = result_file(out, ".json")
    if not path.exists():
        return {}, ""
    found = json.loads(path.read_text(encoding="utf-8"))
    return {values["name"]: outcome_of(values) for values in found["faults"]}, found["command"]


def store(out: Path, origin: Origin, outcomes: list[Outcome]) -> None:
    """Write the outcomes so far."""
    faults = [outcome.as_values() for outcome in outcomes]
    write(out, {**asdict(origin), "faults": faults}, page(origin, outcomes))


if __name__ == "__main__":
    sys.exit(main())
