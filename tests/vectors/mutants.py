"""How many faults of a decoder the vectors find: the second decoder with one fault after another.

    python -m tests.vectors.mutants --against ../before --out benchmarks/results/mutants

tries every fault of `tests.vectors.faults` on the files of this checkout, and of another one. A fault is
caught where a file of `vectors.json` gives other symbols, pixels or metadata, or none; where a file of
`refused/` is taken; or where a table has another digest than FORMAT.md says. What is not caught needs a
reason in `faults/unseen.json`, or is named as missed. An earlier result of that name says what to try first.
"""

import argparse
import contextlib
import copy
import hashlib
import json
import pickle
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import frame
from benchmarks.frame import table
from tests.vectors import tables
from tests.vectors.faults.making import Fault, faults
from tests.vectors.faults.unseen import MISSED, reasons

ROOT = Path(__file__).parents[2]
MOST_SECONDS, MOST_TIMES = 3.0, 10  # what a file may take, and how much longer than without a fault besides
MOST_BYTES = 6 << 30
Decoder = dict[str, Any]  # the names of a module


# What takes long, and every function that decides what it gives. Where a fault is in none of them, decoders
# with it need not do again what the one without a fault has done.
_CODER = ("symbol", "word", "_boundaries")
SLOW = {
    "_matrix": ("_matrix", "_masses", *_CODER),
    "_grid": ("_grid", "_law", "_falling", "_laplace_masses", "_shift", "_clip", *_CODER),
    "_mlp_pixels": ("_mlp_pixels", "_amplitude_bits", "_features", "_sines", "_clip"),
    "_cnn_pixels": (
        *("_cnn_pixels", "_filtered", "_doubled", "_stack", "_layer", "_two_layers", "_residual"),
        *("_shift", "_clip"),
    ),
}


@dataclass(frozen=True)
class Check:
    """Something that a decoder must do.

    Attributes:
        name: Its name.
        passes: Whether a decoder does it.
        seconds: Time of the processor that it takes.
    """

    name: str
    passes: Callable[[Decoder], bool]
    seconds: float = 0.0


def sha256(array: Any) -> str:
    """Digest of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


class TooSlow(BaseException):
    """A decoder takes much longer than it should."""


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    deadline = time.process_time() + seconds

    def stop(*_: object) -> None:
        if time.process_time() >= deadline:  # else the signal is a late one
            raise TooSlow

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)  # by default a late one would end the process


def decoder_of(source: str, root: Path, shared: Mapping[str, Any] = {}) -> Decoder:
    """The second decoder of that source, which reads FORMAT.md and the priors of a checkout."""
    names: Decoder = {"__name__": "second_decoder", "__file__": str(root / "tests" / "reference_decoder.py")}
    exec(compile(source, "second decoder", "exec"), names)
    names.update(shared)
    return names


def _agrees(data: bytes, expected: Mapping[str, Any]) -> Callable[[Decoder], bool]:
    def passes(decoder: Decoder) -> bool:
        symbols, pixels, metadata = decoder["decode"](data)
        digest = hashlib.sha256()
        for tensor in symbols:
            digest.update(np.ascontiguousarray(tensor).astype("<i4").tobytes())
        found: dict[str, Any] = {
            "shape": list(pixels.shape),
            "symbols_sha256": digest.hexdigest(),
            "pixels_sha256": sha256(pixels),
        }
        for name, part in zip(("icc", "exif", "xmp"), metadata, strict=True):
            found[f"{name}_sha256"] = hashlib.sha256(part).hexdigest() if part else None
        return all(found[key] == value for key, value in expected.items() if key in found)

    return passes


def _refuses(data: bytes) -> Callable[[Decoder], bool]:
    def passes(decoder: Decoder) -> bool:
        try:
            decoder["decode"](data)
        except Exception:
            return True
        return False

    return passes


def checks(root: Path = ROOT, names: Collection[str] | None = None) -> list[Check]:
    """What the vectors of a checkout ask of a decoder, or those of these names; the quickest first."""
    folder, asked = root / "tests" / "vectors", dict[str, Callable[[Decoder], bool]]()
    for name, expected in json.loads((folder / "vectors.json").read_text()).items():
        asked[name] = _agrees((folder / f"{name}.inr").read_bytes(), expected)
    for path in sorted(folder.glob("refused/*.inr")):
        asked[f"refused/{path.stem}"] = _refuses(path.read_bytes())
    digests = tables.on_the_page((root / "inr" / "FORMAT.md").read_text(encoding="utf-8"))
    if digests:
        asked["tables"] = lambda decoder: tables.digests(decoder) == digests
    whole, found = decoder_of(faults_free(), root), []
    for name, passes in asked.items():
        if names is not None and name not in names:
            continue
        begun = time.process_time()
        if not passes(whole):
            raise AssertionError(f"the second decoder without a fault fails at {name}")
        found.append(Check(name, passes, time.process_time() - begun))
    return sorted(found, key=lambda check: check.seconds)


def faults_free() -> str:
    """The source of the second decoder."""
    return (ROOT / "tests" / "reference_decoder.py").read_text(encoding="utf-8")


class Memory:
    """What the decoder without a fault has done of what takes long.

    Args:
        root: The checkout whose priors it reads.
    """

    def __init__(self, root: Path) -> None:
        self._whole = decoder_of(faults_free(), root)
        self._whole["_priors"]()
        self._known: dict[bytes, tuple[Any, list[dict[str, Any]]]] = {}

    def for_fault(self, function: str) -> dict[str, Any]:
        """Functions that stand in the place of a decoder's own, which has a fault in this function."""
        names = [name for name, parts in SLOW.items() if function and function not in parts]
        return {"_priors": self._whole["_priors"]} | {name: self._remembering(name) for name in names}

    def _remembering(self, name: str) -> Callable[..., Any]:
        function = self._whole[name]

        def remembered(*arguments: Any) -> Any:
            coders = [vars(each) for each in arguments if hasattr(each, "words")]
            key = pickle.dumps((name, [vars(each) if hasattr(each, "words") else each for each in arguments]))
            if key not in self._known:
                given = function(*arguments)
                self._known[key] = given, copy.deepcopy(coders)
            given, after = self._known[key]
            for coder, state in zip(coders, after, strict=True):
                coder.update(copy.deepcopy(state))
            return given

        return remembered


def caught_by(fault: Fault, asked: Sequence[Check], memory: Memory, root: Path = ROOT) -> str | None:
    """The first check that a decoder with this fault does not pass, or None."""
    try:
        with _limited(MOST_SECONDS):
            decoder = decoder_of(fault.source, root, memory.for_fault(fault.function))
    except (Exception, TooSlow):
        return "import"
    for check in asked:
        try:
            with _limited(MOST_SECONDS + MOST_TIMES * check.seconds), np.errstate(all="ignore"):
                if not check.passes(decoder):
                    return check.name
        except (Exception, TooSlow):
            return check.name
    return None


def run(root: Path, every: Sequence[Fault], before: Mapping[str, str | None]) -> dict[str, str | None]:
    """By which check of a checkout each fault is caught; what caught it in an earlier run is tried first."""
    asked, memory, found = checks(root), Memory(root), dict[str, str | None]()
    named = {check.name: check for check in asked}
    for n, fault in enumerate(every):
        first = [named[check] for check in [before.get(fault.name)] if check in named]
        found[fault.name] = caught_by(fault, [*first, *asked], memory, root)
        if found[fault.name] is None or n % 100 == 0:
            print(
                f"{n:5} of {len(every)}  {'' if found[fault.name] else fault.name}",
                file=sys.stderr,
                flush=True,
            )
    return found


ABOUT = (
    "Each fault is one changed expression or statement of `tests/reference_decoder.py`: an edge or a",
    "bound off by one, a comparison that takes or leaves its edge, another sign, a term, clip or check",
    "left out, a rounding in another way, two operations fused, an order changed. What makes them is in",
    "`tests/vectors/faults/`.",
    "Before are the vectors of another checkout (`--against`; without it, what an earlier run found), with",
    "symbols and pixels only; now are those of this one, with metadata, the folder `refused/` and the",
    "digests of tables.",
)


@dataclass(frozen=True)
class Result:
    """By fault: its section, and what caught it before and now."""

    faults: Mapping[str, tuple[str, str | None, str | None]]


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments of this program."""
    parser.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help="a checkout with other vectors; else as in an earlier result",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try every Nth fault only")


def measure(arguments: argparse.Namespace) -> Result:
    """Try the faults on both checkouts."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    every = faults()[:: arguments.every]
    known = _earlier(frame.result_file(arguments.out, ".json"))
    before = run(arguments.against.absolute(), every, known[0]) if arguments.against else known[0]
    after = run(ROOT, every, known[1])
    return Result({each.name: (each.section, before.get(each.name), after[each.name]) for each in every})


def _earlier(path: Path) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """What caught the faults before and now in an earlier result, if there is one."""
    faults_then = json.loads(path.read_text(encoding="utf-8"))["faults"] if path.exists() else {}
    before, after = ({name: each[n] for name, each in faults_then.items()} for n in (1, 2))
    return before, after


def page(result: Result, _: argparse.Namespace) -> list[str]:
    """What came of it, by section of FORMAT.md."""
    found, why = result.faults, reasons()
    missed = [name for name, (*_, check) in found.items() if check is None]
    kinds = Counter((check or "").partition("/")[0] for *_, check in found.values())
    n_vectors = sum(n for kind, n in kinds.items() if kind not in ("", "import", "refused", "tables"))
    lines = ["# Faults of a decoder that the vectors find", "", *ABOUT, ""]
    lines.append(
        f"Now {n_vectors} faults are caught by a vector, {kinds['refused']} by a file of `refused/`, "
        f"{kinds['tables']} by a table's digest, and {kinds['import']} are no decoder at all."
    )
    rows = []
    for section in (*dict.fromkeys(section for section, *_ in found.values()), None):
        some = {name: checks for name, (its, *checks) in found.items() if section in (its, None)}
        caught = [sum(checks[n] is not None for checks in some.values()) for n in (0, 1)]
        unseen = sum(name in why for name in some if name in missed)
        counts = (len(some), *caught, unseen, len(some) - caught[1] - unseen)
        rows.append([section or "all", *map(str, counts)])
    lines += table(["section", "faults", "caught before", "caught now", "cannot be seen", "missed"], rows)
    lines += ["", "## Not caught, and why"]
    for reason in dict.fromkeys([*why.values(), MISSED]):
        names = [name for name in missed if why.get(name, MISSED) == reason]
        lines += ["", f"{reason}:", "", *(f"- `{name}`" for name in names)] if names else []
    return lines


def main(words: Sequence[str] | None = None) -> None:
    """Run the program."""
    frame.run("tests.vectors.mutants", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()
