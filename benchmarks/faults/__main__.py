"""``python -m benchmarks.faults``: faults, all or those named, and the table of what came of them.

Wants a mount namespace of its own, which `make faults` gives it, and ends with exit code 1 if any
fault ended badly.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults import flips, kills, stores
from benchmarks.faults.outcomes import Fault, Outcome, done, outcome_of, to_markdown
from benchmarks.faults.scenery import Scenery
from benchmarks.provenance import provenance, result_file

FAULTS = (
    Fault("kill -9 of the flow", kills.flow, Scenery.in_folders),
    Fault("full disk", stores.full_disk, Scenery.in_folders),
    Fault("read-only store", stores.read_only, Scenery.in_folders),
    Fault("store without permission", stores.not_allowed, Scenery.in_folders),
    Fault("bits flipped in bitstreams", flips.bitstreams, Scenery.in_folders),
    Fault("bit flipped in a row", flips.row, Scenery.in_folders),
    Fault("bit flipped in a Parquet part", flips.footer, Scenery.in_folders),
)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.faults", description="Faults, and what came of them.")
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
    outcomes = earlier(arguments.out) if arguments.only and arguments.out else {}
    origin, good = provenance("benchmarks.faults", given), True
    with Scenery(work) as scenery:
        for outcome in done(wanted, scenery):
            good &= outcome.is_good
            outcomes[outcome.name] = outcome
            print(
                f"{outcome.seconds:4.0f} s", "good" if outcome.is_good else "BAD ", outcome.name, flush=True
            )
            print(*outcome.reasons(), sep="\n", end="", flush=True)
            if arguments.out:
                write(arguments.out, origin, list(outcomes.values()))
    return 0 if good else 1


def earlier(out: Path) -> dict[str, Outcome]:
    """The rows that are there already, by name."""
    path = result_file(out, ".json")
    found = json.loads(path.read_text(encoding="utf-8"))["faults"] if path.exists() else []
    return {values["name"]: outcome_of(values) for values in found}


def write(out: Path, origin: dict[str, Any], outcomes: list[Outcome]) -> None:
    """Write what there is so far."""
    values = {**origin, "faults": [outcome.as_values() for outcome in outcomes]}
    result_file(out, ".json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    result_file(out, ".md").write_text(to_markdown(origin, outcomes), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
