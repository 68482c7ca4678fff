"""How many faults of a decoder the vectors find: the second decoder with one fault after another.

    python -m tests.vectors.mutants --against ../before --out benchmarks/results/mutants

tries every fault of `tests.vectors.faults` on the files of this checkout, and of another one. A fault is
caught where a file of `vectors.json` gives other symbols, pixels or metadata, or none; where a file of
`refused/` is taken; or where a table has another digest than FORMAT.md says. What is not caught needs a reason
in `EQUIVALENT`, or is named as a gap.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.vectors import tables
from tests.vectors.faults import Fault, faults
from tests.vectors.unseen import EQUIVALENT

ROOT = Path(__file__).parents[2]
MOST_SECONDS, MOST_TIMES = 2.0, 10  # what a file may take, and how much longer than without a fault besides
MOST_BYTES = 6 << 30
Decoder = dict[str, Any]  # the names of a module


# Functions that only files of one family meet, those that only make its pixels, and those that know no family.
FAMILIES = {
    **dict.fromkeys(("_phases", "_offsets", "_mlp", "_mlp_fields"), "mlp"),
    **dict.fromkeys(("_grids", "_cnn", "_matrix_fields", "_prior", "_kept", "_check_sums", "_grid", "_law"), "cnn"),
    **dict.fromkeys(("_laplace_masses", "up_to"), "cnn"),
}
PIXELS = {
    **dict.fromkeys(("_amplitude_bits", "_features", "_sines", "_mlp_pixels"), "_mlp_pixels"),
    **dict.fromkeys(("_filtered", "_doubled", "_stack", "_layer", "_two_layers", "_residual"), "_cnn_pixels"),
    "_cnn_pixels": "_cnn_pixels",
}
FRAME = ("_check_frame", "decode", "_metadata")


@dataclass(frozen=True)
class Check:
    """Something that a decoder must do.

    Attributes:
        name: Its name.
        passes: Whether a decoder does it.
        family: The family of the file that it decodes; empty for others.
        arguments: What the function that makes the file's pixels is given.
        pixels_sha256: What these must be.
        seconds: Time that it takes.
    """

    name: str
    passes: Callable[[Decoder], bool]
    family: str = ""
    arguments: tuple[Any, ...] = ()
    pixels_sha256: str = ""
    seconds: float = 0.0

    def passes_pixels(self, decoder: Decoder) -> bool:
        """Whether a decoder makes the right pixels of the right symbols."""
        return sha256(decoder[f"_{self.family}_pixels"](*self.arguments)) == self.pixels_sha256


def sha256(array: Any) -> str:
    """Digest of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


class TooSlow(BaseException):
    """A decoder takes much longer than it should."""


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
        for name, part in zip(("icc", "exif"), metadata, strict=True):
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


def checks(root: Path = ROOT) -> list[Check]:
    """What the vectors of a checkout ask of a decoder, the quickest first."""
    folder, found = root / "tests" / "vectors", list[Check]()
    for name, expected in json.loads((folder / "vectors.json").read_text()).items():
        data = (folder / f"{name}.inr").read_bytes()
        found.append(_vector(name, data, expected, root))
    for path in sorted(folder.glob("refused/*.inr")):
        found.append(Check(f"refused/{path.stem}", _refuses(path.read_bytes())))
    digests = tables.on_the_page((root / "inr" / "FORMAT.md").read_text(encoding="utf-8"))
    if digests:
        found.append(Check("tables", lambda decoder: tables.digests(decoder) == digests))
    whole = decoder_of(faults_free(), root)
    failed = [check.name for check in found if not check.passes(whole)]
    if failed:
        raise AssertionError(f"the second decoder without a fault fails at {failed}")
    return sorted(found, key=lambda check: check.seconds)


def _vector(name: str, data: bytes, expected: Mapping[str, Any], root: Path) -> Check:
    family, given = "mlp" if data[5] == 1 else "cnn", list[tuple[Any, ...]]()
    whole = decoder_of(faults_free(), root)
    render = whole[f"_{family}_pixels"]

    def noting(*arguments: Any) -> Any:
        given.append(arguments)
        return render(*arguments)

    whole[f"_{family}_pixels"] = noting
    begun = time.perf_counter()
    whole["decode"](data)
    seconds = time.perf_counter() - begun
    return Check(name, _agrees(data, expected), family, given[0], expected["pixels_sha256"], seconds)


def faults_free() -> str:
    """The source of the second decoder."""
    return (ROOT / "tests" / "reference_decoder.py").read_text(encoding="utf-8")


def caught_by(
    fault: Fault, asked: Sequence[Check], root: Path = ROOT, shared: Mapping[str, Any] = {}
) -> str | None:
    """The first check that a decoder with this fault does not pass, or None."""
    known = {name: value for name, value in shared.items() if name == "_priors" or fault.function in FRAME}
    try:
        with _limited(MOST_SECONDS):
            decoder = decoder_of(fault.source, root, known)
    except (Exception, TooSlow):
        return "import"
    for check in asked:
        try:
            with _limited(MOST_SECONDS + MOST_TIMES * check.seconds), np.errstate(all="ignore"):
                if not _passes(check, decoder, fault.function):
                    return check.name
        except (Exception, TooSlow):
            return check.name
    return None


def _passes(check: Check, decoder: Decoder, function: str) -> bool:
    """Whether a decoder with a fault in this function passes; of what the function is no part, it does."""
    if check.family and function in PIXELS:
        return PIXELS[function] != f"_{check.family}_pixels" or check.passes_pixels(decoder)
    if check.family and FAMILIES.get(function, check.family) != check.family:
        return True
    return check.passes(decoder)


def shared_with(root: Path) -> dict[str, Any]:
    """What decoders of a checkout need not do again, each: read the priors; and decode, where they know how."""
    whole = decoder_of(faults_free(), root)
    whole["_priors"]()
    return {"_priors": whole["_priors"]} | {name: _remembering(whole[name]) for name in ("_mlp", "_cnn")}


def _remembering(decode: Callable[..., Any]) -> Callable[..., Any]:
    """A family's decoder that knows the files it has seen."""
    known: dict[Any, tuple[Any, dict[str, Any]]] = {}

    def remembered(a: Any, side: Any, coder: Any, *sizes: int) -> Any:
        key = a.data, side.data, tuple(coder.words), coder.point, sizes
        if key not in known:
            symbols, pixels = decode(a, side, coder, *sizes)
            made = pixels()
            known[key] = (symbols, lambda: made), dict(vars(coder))
        found, state = known[key]
        vars(coder).update(state)
        return found

    return remembered


def run(root: Path, every: Sequence[Fault]) -> dict[str, str | None]:
    """By which check of a checkout each fault is caught."""
    asked, shared, found = checks(root), shared_with(root), {}
    for n, fault in enumerate(every):
        found[fault.name] = caught_by(fault, asked, root, shared)
        if found[fault.name] is None or n % 100 == 0:
            print(f"{n:5} of {len(every)}  {fault.name if found[fault.name] is None else ''}", file=sys.stderr)
    return found
