"""A bit that flips in what is stored: in bitstreams, in rows, in the footer of a part, in a claim."""

import random
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.faults.commands import Command, Ended, environment
from benchmarks.faults.outcomes import Account
from benchmarks.faults.places import Place
from benchmarks.faults.scenery import Scenery
from benchmarks.faults.verdicts import judge

SEED = 3


def bitstreams(place: Place, account: Account, _: Scenery) -> None:
    """Flip a bit in half of the bitstreams and take one away; the audit is to find exactly those."""
    place.archive()
    chance = random.Random(SEED)
    found = sorted((place.vault / "bitstreams").rglob("*.inr"))
    hit, gone = found[: len(found) // 2], found[-1]
    places = [flip(path, chance.randrange(8 * path.stat().st_size)) for path in hit]
    gone.unlink()
    account.tried = (
        f"one bit flipped in each of {len(hit)} of {len(found)} stored bitstreams (bits {places}), "
        "another bitstream removed"
    )
    audit = place.verify()
    account.happened = [f"`inr verify`: {audit}"]
    again, after = account.recover(place, "archive again, over the originals"), place.verify()
    account.recovered.append(f"`inr verify`: {after}")
    counts = {"damaged": len(hit), "missing": 1, "intact": len(found) - len(hit) - 1}
    account.expect("the audit found all of them, and no other", audit.printed.get("counts") == counts)
    account.expect("the audit failed", audit.code == 1)
    account.expect("made again", again.printed.get("n_archived") == len(hit) + 1)
    account.expect("all intact afterwards", after.code == 0)


def row(place: Place, account: Account, _: Scenery) -> None:
    """Flip a bit in a page of a part of the table ``images``: in a value of a row."""
    _part(place, account, "in the values of rows, in a part of the table `images`", in_page)


def footer(place: Place, account: Account, _: Scenery) -> None:
    """Flip a bit in the footer of a part: in what says how to read it."""
    _part(place, account, "in the footer of a Parquet part of the table `images`", in_footer)


def claim(place: Place, account: Account, _: Scenery) -> None:
    """Flip a bit in the claim of a bitstream that a killed run left."""
    place.begun().kill()
    chance = random.Random(SEED)
    claims = sorted((place.vault / "journal").rglob("*.json"))
    bits = [flip(path, chance.randrange(8 * path.stat().st_size)) for path in claims]
    account.tried = f"a run killed, and a bit flipped in each claim that it left ({len(claims)}; bits {bits})"
    account.happened = [f"{place.count('bitstreams')} bitstreams without a row"]
    account.recovery = "archive again"
    again = place.archive()
    account.recovered = [str(again)]
    if again.code:
        account.recovered.append(f"and again: {place.archive()}")
    account.expect("no claim is left", place.count("journal") == 0)


def flip(path: Path, bit: int) -> int:
    """Flip a bit of a file, written where it is as a fault of a disk would; returns it."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(data))
    return bit


def in_page(path: Path) -> int:
    """A bit in the middle of the pages of the column ``psnr_db``."""
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(n) for n in range(group.num_columns)]
    [column] = [column for column in columns if column.path_in_schema == "psnr_db"]
    return 8 * int(column.data_page_offset + column.total_compressed_size // 2)


def in_footer(path: Path) -> int:
    """A bit of the name of the column ``status``, as the footer has it first."""
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return 8 * data.index(b"status", start)


def _part(place: Place, account: Account, where: str, bit: Callable[[Path], int]) -> None:
    place.archive()
    [part] = (place.vault / "catalogue" / "images").glob("*.parquet")
    at = flip(part, bit(part))
    account.tried = f"one bit flipped {where} (bit {at})"
    ended = [place.archive(), _query(place), place.verify()]
    account.happened = [
        f"`inr {name}`: {each}" for name, each in zip(("archive", "query", "verify"), ended, strict=True)
    ]
    part.rename(place.folder / part.name)
    again, after = account.recover(place, "move the part away, archive again"), place.verify()
    account.recovered.append(f"`inr verify`: {after}")
    account.expect(
        "each command names the part", all(part.name in each.said and each.code == 6 for each in ended)
    )
    account.expect("recorded again", again.printed.get("n_archived") == len(place.digests))
    account.expect("all intact afterwards", after.code == 0)
    account.after_fault = judge(place)


def _query(place: Place) -> Ended:
    return Command(
        ["query", place.store, "select count(*) from images"], environment(**place.variables)
    ).ended()
