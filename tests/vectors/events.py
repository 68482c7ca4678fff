"""What happens in the second decoder while it reads the vectors: every edge that they are there to reach.

Every call of `_clip` must clip on both sides, every `_shift` must meet ties of both signs, and so on; which
calls there are is read from the decoder's source, so that a new one is asked for as well. `EXEMPT` names what
cannot happen, with the reason.
"""

import ast
import inspect
from collections import Counter
from functools import cache
from types import CodeType, FrameType
from typing import Any

import numpy as np

from tests.vectors.faults.by_hand import PRELUDE
from tests.vectors.faults.making import SOURCE
from tests.vectors.mutants import ROOT, Decoder, decoder_of

# Rounding that is the same with every tie, or bounds that the values before a clip cannot pass.
EXEMPT = {
    "_prior: _shift(p[:, -1:], v): tie below 0": "depends on the priors' constants and the gains",
    "_prior: _shift(p[:, -1:], v): tie above 0": "depends on the priors' constants and the gains",
    "_cnn_pixels: _shift(255 * y, 12): tie below 0": "such samples are clipped to 0",
}
OF_SPREAD = "_law: _shift(o[1], k2 + 4)"
_ONCE = (
    *(f"tie of a spread that is coded with, {sign}" for sign in (-1, 1)),
    *(f"FALL({t})" for t in range(81)),
    *(f"part {n}" for n in range(16)),
    *(f"scale index {t} of a weight" for t in range(56)),
    *("low > 0", "high < 0", "low = 0", "high = 0", "low = 1", "high = -1"),
    *(
        "range = 2^32 in the end",
        "last = 0 and one word",
        "last = 0 and two words",
        "range < 2^32",
        "lower passes 2^64",
        "a mass of 0 is coded",
    ),
    *("payload ends in n + 1 words", "payload ends in n + 2 words", "payload of no symbols"),
    *(
        "fused z",
        "fused y with c2",
        "fused y with c1",
        "fused y with c0",
        "tie of z",
        "tie of y",
        "tie of a sample",
    ),
    *("latent 2047", "latent -2047", "d = reach", "d = -reach", "reach 0", "reach 1023"),
    *(f"QUARTER({n})" for n in range(4)),
    *(f"constant of channel {n}" for n in range(4)),
    *("grey of 3 channels", "grey of 4 channels", "grey and constant alpha", "no planes"),
    *("no network of 1 channel", "no network of 4 channels"),
    *(
        "ICC profile alone",
        "EXIF block alone",
        "XMP packet alone",
        "all three",
        "k = 1",
        "width 65535",
        "height 65535",
        "512 neurons",
    ),
    *(f"row of {name} at its limit" for name in ("context0", "parents", "context1", "context2", "filters")),
    *(f"row of {name} at its limit" for name in ("upsampling", "synthesis0", "synthesis1", "residual0")),
)


def _calls() -> dict[str, set[str]]:
    """Every call of `_clip` and of `_shift` in the decoder: function and text."""
    found: dict[str, set[str]] = {"_clip": set(), "_shift": set()}
    for function in ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in found:
                    found[name].add(f"{function.name}: {ast.unparse(node)}")
    return found


def expected() -> set[str]:
    """Every event that the vectors are to reach."""
    calls = _calls()
    clips = {f"{call}: {side}" for call in calls["_clip"] for side in ("below", "above")}
    ties = {f"{call}: tie {side} 0" for call in calls["_shift"] for side in ("below", "above")}
    return (clips | ties | set(_ONCE)) - EXEMPT.keys()


@cache
def _call(code: CodeType, at: int) -> str:
    """Function and text of the call at an offset of its code."""
    line, last, start, end = list(code.co_positions())[at // 2]
    lines = SOURCE.read_text(encoding="utf-8").splitlines()[(line or 1) - 1 : last]
    lines[-1] = lines[-1].encode()[:end].decode()
    lines[0] = lines[0].encode()[start:].decode()
    return f"{code.co_qualname.split('.')[0]}: {ast.unparse(ast.parse(' '.join(lines), mode='eval'))}"


def _caller(frame: FrameType | None) -> str:
    assert frame is not None
    assert frame.f_back is not None
    return _call(frame.f_back.f_code, frame.f_back.f_lasti)


class Counting:
    """The second decoder, which counts events: `decoder["decode"]` as ever, then `events`."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.files: set[str] = set()  # that were read, where a caller notes them
        self.decoder: Decoder = decoder_of(SOURCE.read_text(encoding="utf-8"), ROOT)
        self._fused = decoder_of(PRELUDE, ROOT)["_fused"]
        self._plain = dict(self.decoder)
        for name in (
            "_clip",
            "_shift",
            "_masses",
            "_sines",
            "_grid",
            "_law",
            "_prior",
            "_metadata",
            "_check_sums",
        ):
            self.decoder[name] = getattr(self, name)
        for name in ("_mlp_pixels", "_laplace_masses", "_matrix_fields", "_check_planes"):
            self.decoder[name] = getattr(self, name)
        self._watch_the_coder()

    def note(self, event: str, holds: Any) -> None:
        """Count an event where it holds."""
        self.events[event] += int(np.sum(holds))

    def _clip(self, x: Any, low: Any, high: Any) -> Any:
        place = _caller(inspect.currentframe())
        self.note(f"{place}: below", np.asarray(x) < low)
        self.note(f"{place}: above", np.asarray(x) > high)
        return self._plain["_clip"](x, low, high)

    def _shift(self, x: Any, s: int) -> Any:
        place, values = _caller(inspect.currentframe()), np.asarray(x)
        tie = values % 2**s == 2 ** (s - 1) if s > 0 else np.zeros(1, bool)
        self.note(f"{place}: tie below 0", tie & (values < 0))
        self.note(f"{place}: tie above 0", tie & (values > 0))
        if place == OF_SPREAD:
            self._tie_of_spread = int(tie * np.sign(values))
        return self._plain["_shift"](x, s)

    def _masses(self, t: int, low: int, high: int) -> Any:
        self.note("low > 0", low > 0)
        self.note("high < 0", high < 0)
        self.note("low = 0", low == 0 < high)
        self.note("low = 1", low == 1)
        self.note("high = -1", high == -1)
        self.note("high = 0", low < 0 == high)
        self.note(f"scale index {t} of a weight", True)
        return self._plain["_masses"](t, low, high)

    def _sines(self, sums: Any, scale: Any, beta: Any, c: Any) -> Any:
        right = self._plain["_sines"](sums, scale, beta, c)
        z = sums * scale + beta
        r = z - np.rint(z)
        self.note("tie of z", abs(r) == 0.5)
        for name in ("z", "y with c2", "y with c1", "y with c0"):
            self.note(f"fused {name}", np.rint(self._sine(sums, scale, beta, c, name)) != right)
        y = self._sine(sums, scale, beta, c, "")
        self.note("tie of y", abs(y - np.trunc(y)) == 0.5)
        return right

    def _sine(self, sums: Any, scale: Any, beta: Any, c: Any, fused: str) -> Any:
        """A layer's sines before they are rounded to integers, with one addition fused."""

        def add(name: str, a: Any, b: Any, more: Any) -> Any:
            return self._fused(a, b, more) if name == fused else a * b + more

        z = add("z", sums, scale, beta)
        r = z - np.rint(z)
        y = c[3]
        for name, more in (("y with c2", c[2]), ("y with c1", c[1]), ("y with c0", c[0])):
            y = add(name, r * r, y, more)
        return y * r

    def _mlp_pixels(self, symbols: Any, steps: Any, w: int, h: int, *rest: Any) -> Any:
        self.note("width 65535", w == 65535)
        self.note("height 65535", h == 65535)
        self.note("512 neurons", len(symbols[1]) == 512)
        real = self.decoder["np"]
        self.decoder["np"] = _Numbers(self)
        try:
            return self._plain["_mlp_pixels"](symbols, steps, w, h, *rest)
        finally:
            self.decoder["np"] = real

    def _grid(self, coder: Any, shape: Any, reach: int, *rest: Any) -> Any:
        self.note("reach 0", reach == 0)
        self.note("reach 1023", reach == 1023)
        self._reach = reach
        grid = self._plain["_grid"](coder, shape, reach, *rest)
        self.note("latent 2047", grid == 2047)
        self.note("latent -2047", grid == -2047)
        return grid

    def _law(self, *arguments: Any) -> Any:
        centre, t = self._plain["_law"](*arguments)
        if self._reach:
            self.note(f"FALL({t})", True)
            self.note(f"part {centre % 16}", True)
            for sign in (-1, 1):
                self.note(
                    f"tie of a spread that is coded with, {sign}", self._tie_of_spread == sign and 0 < t < 80
                )
        return centre, t

    def _laplace_masses(self, t: int, part: int, reach: int) -> Any:
        return _Masses(self._plain["_laplace_masses"](t, part, reach))

    def _matrix_fields(self, side: Any, exponent: int) -> Any:
        k, mean = self._plain["_matrix_fields"](side, exponent)
        self.note("k = 1", k == 1 and mean > 0)
        return k, mean

    def _prior(self, number: int, gain: int, *rest: Any) -> Any:
        self.note(f"QUARTER({gain % 4})", True)
        return self._plain["_prior"](number, gain, *rest)

    def _check_sums(self, matrices: Any, grids: Any) -> None:
        self._plain["_check_sums"](matrices, grids)
        ends = np.cumsum([0, *(1 + len(parents) for _, _, parents in grids)])
        for name, (weights, _) in matrices.items():
            sums, most = abs(weights), 2**11 if name in ("filters", "upsampling") else 2**15
            if name == "parents":
                sums = np.add.reduceat(sums, ends[:-1], axis=1)
            else:
                sums = (sums * ([1, 2, 2, 2] if name == "filters" else 1)).sum(axis=1)
            self.note(f"row of {name} at its limit", sums == most)

    def _check_planes(self, planes: int, channels: int) -> None:
        self._plain["_check_planes"](planes, channels)
        for channel in range(4):
            self.note(f"constant of channel {channel}", planes >> channel & 1)
        self.note("no planes", planes == 0)
        self.note(f"grey of {channels} channels", planes & 16)
        self.note("grey and constant alpha", planes == 16 + 8)
        self.note(f"no network of {channels} channel{'s' * (channels > 1)}", planes == 2**channels - 1)

    def _metadata(self, section: bytes) -> Any:
        icc, exif, xmp = found = self._plain["_metadata"](section)
        self.note("ICC profile alone", bool(icc) and not (exif or xmp))
        self.note("EXIF block alone", bool(exif) and not (icc or xmp))
        self.note("XMP packet alone", bool(xmp) and not (icc or exif))
        self.note("all three", all(found))
        return found

    def _watch_the_coder(self) -> None:
        coder, events = self.decoder["_RangeDecoder"], self
        symbol, end, boundaries = coder.symbol, coder.end, self.decoder["_boundaries"]
        massless: dict[int, Any] = {}

        def counted(self: Any, table: list[int]) -> int:
            lower, scale = self.lower, self.range // 2**24
            j: int = symbol(self, table)
            span = scale * (table[j + 1] - table[j])
            events.note("range < 2^32", span < 2**32)
            events.note("lower passes 2^64", lower + scale * table[j] >= 2**64)
            masses = massless.get(id(table))
            if masses is not None:
                events.note("a mass of 0 is coded", masses[j] == 0)
                events.note("d = reach", j == len(masses) - 1)
                events.note("d = -reach", j == 0)
            return j

        def ended(self: Any) -> None:
            end(self)
            wraps, more = self.lower > 2**64 - 2**32, self.n_words - self.n_steps
            events.note("range = 2^32 in the end", self.range == 2**32)
            events.note("last = 0 and one word", wraps and more == 1)
            events.note("last = 0 and two words", wraps and more == 2)
            events.note("payload of no symbols", not self.n_symbols)
            for n in (1, 2):
                events.note(
                    f"payload ends in n + {n} words",
                    bool(self.n_symbols) and self.n_words == self.n_steps + n,
                )

        def bounded(masses: Any) -> Any:
            table = boundaries(masses)
            if isinstance(masses, _Masses):
                massless[id(table)] = masses
                kept.append(table)
            return table

        kept: list[Any] = []
        coder.symbol, coder.end, self.decoder["_boundaries"] = counted, ended, bounded


class _Masses(list[int]):
    """Masses of latents."""


class _Numbers:
    """NumPy, but that samples which lie on a half are counted."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def rint(self, z: Any) -> Any:
        """As NumPy's."""
        tie = (abs(z - np.trunc(z)) == 0.5) & (z > 0) & (z < 255)
        self._counting.note("tie of a sample", tie & (z.dtype == np.float32))
        return np.rint(z)
