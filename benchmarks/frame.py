"""The frame of every benchmark: its arguments, where its result comes from, and the two files that it leaves.

A program adds its arguments, measures, and makes a page; `run` does the rest. What was measured is a frozen
dataclass, which goes into NAME.json below its origin and its settings; the page goes into NAME.md.
"""

import argparse
import ast
import hashlib
import json
import math
import os
import platform
import re
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import inr
from inr.bitstream import FORMAT_VERSION

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Found = TypeVar("Found", bound="DataclassInstance")
Made = TypeVar("Made")

NO_SETTINGS = {"out", "work", "other_work"}
LIBRARIES = ("torch", "numpy", "constriction", "pillow")
FLOORS = tuple(Path(inr.__path__[0]).with_name(name) for name in ("inr", "tasks", "flows"))


@dataclass(frozen=True)
class Origin:
    """The origin of a result.

    Attributes:
        date: The time at which it was written, UTC.
        machine: The processor's model, the cores that this process may use, and the architecture.
        versions: Versions of this package, its format, Python, and the libraries that decide results.
        code: The first 16 digits of `codec_digest`.
        command: The command that measured it.
        other_work: Other work of the machine meanwhile, in words.
        load: The load of the machine at the end.
    """

    date: str
    machine: Mapping[str, str | int]
    versions: Mapping[str, str | int]
    code: str
    command: str
    other_work: str = "not noted"
    load: float | None = None

    def headline(self) -> list[str]:
        """The Markdown lines above a table."""
        libraries = ", ".join(f"{name} {value}" for name, value in self.versions.items())
        return [
            f"- Date: {self.date}",
            "- Machine: {cpu}, {cores} cores, {architecture}".format(**self.machine),
            f"- Versions: {libraries}; code {self.code}",
            f"- Command: `{self.command}`",
            f"- Other work on the machine meanwhile: {self.other_work}; its load at the end: "
            f"{number(self.load, 1)}",
        ]


def run(
    module: str,
    words: Sequence[str] | None,
    *,
    options: Callable[[argparse.ArgumentParser], object],
    measure: Callable[[argparse.Namespace], Found | Iterator[Found]],
    page: Callable[[Found, argparse.Namespace], Sequence[str]],
) -> Found:
    """Run a benchmark: read its command line, measure, write NAME.json and NAME.md, and print the page.

    Args:
        module: Name of its module, as ``python -m`` takes it.
        words: The command line; that of this process if None.
        options: Function that adds the arguments of this benchmark to those that every one has.
        measure: Function that measures as the arguments ask. It may yield what it has so far, which is
            written each time, so that nothing is lost where the time ends first.
        page: Function from what was measured and the arguments to the lines of the page, its title first.
    """
    given = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(prog=module)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="NAME", help="writes NAME.json and NAME.md"
    )
    work = Path("build") / module.removeprefix("benchmarks.")
    parser.add_argument("--work", type=Path, default=work, metavar="DIR", help="folder to work in")
    parser.add_argument("--other-work", default="not noted", help="what else the machine does, for the page")
    options(parser)
    arguments = parser.parse_args(given)
    measured = measure(arguments)
    settings = {name: value for name, value in vars(arguments).items() if name not in NO_SETTINGS}
    for found in measured if isinstance(measured, Iterator) else (measured,):
        origin = origin_of(module, given, arguments.other_work)
        title, *lines = page(found, arguments)
        values = {**asdict(origin), "settings": settings, **asdict(found)}
        write(arguments.out, values, [title, "", *origin.headline(), *lines])
    print(result_file(arguments.out, ".md").read_text(encoding="utf-8"))
    return found


def write(out: Path, values: Mapping[str, Any], page: Iterable[str]) -> None:
    """Write a result as NAME.json, and its page as NAME.md."""
    out.parent.mkdir(parents=True, exist_ok=True)
    result_file(out, ".json").write_text(to_json(values), encoding="utf-8")
    result_file(out, ".md").write_text("\n".join(page) + "\n", encoding="utf-8")


def result_file(out: Path, suffix: str) -> Path:
    """The file of the result `out` with this suffix; a dot in the name of `out` stays."""
    return out.with_name(out.name + suffix)


def to_json(values: Mapping[str, Any]) -> str:
    """Indented JSON with each pair of numbers on one line; of paths only the last part."""
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False, default=_name_of)
    return re.sub(r"\[\s+([-\d.e]+),\s+([-\d.e]+)\s+\]", r"[\1, \2]", text) + "\n"


def _name_of(path: Path) -> str:
    return path.name


def read(kind: type[Found], values: Mapping[str, Any]) -> Found:
    """A flat dataclass from JSON; other values are left out, missing ones have their defaults."""
    return kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table below an empty line, its first column left-aligned and the others to the right.

    Cells are Markdown of our own; that of `tasks.report` is for names from outside, and escapes them.
    """
    rule = [":--", *["--:"] * (len(header) - 1)]
    return ["", *(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))]


def number(value: float | None, digits: int, unit: str = "") -> str:
    """The value with so many digits, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def numbers(values: Iterable[float], digits: int = 1) -> str:
    """Several values one after the other."""
    return ", ".join(f"{value:.{digits}f}" for value in values)


def standard_error(values: Sequence[float]) -> float | None:
    """The standard error of the mean of values; None of fewer than two."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def mean_of_ratios(ratios: Sequence[float]) -> str:
    """The mean of the ratios of pairs, with its standard error where there are several."""
    error = standard_error(ratios)
    return f"{statistics.mean(ratios):.3f}" + ("" if error is None else f" ± {error:.3f}")


def timed(action: Callable[[], Made]) -> tuple[Made, float]:
    """The result of an action, and the seconds that it took."""
    started = time.perf_counter()
    made = action()
    return made, time.perf_counter() - started


def origin_of(module: str, words: Sequence[str], other_work: str = "not noted") -> Origin:
    """The origin of what this process measures now."""
    return Origin(
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}",
        machine={"cpu": _cpu_model(), "cores": n_cores(), "architecture": platform.machine()},
        versions={
            "inr": inr.__version__,
            "format": FORMAT_VERSION,
            "python": platform.python_version(),
            **{library: version(library) for library in LIBRARIES},
        },
        code=codec_digest()[:16],
        command=command(module, words),
        other_work=other_work,
        load=round(os.getloadavg()[0], 2),
    )


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else "unknown"


def codec_digest() -> str:
    """SHA-256 over what decides a file: all code of `inr` and the data that it reads."""
    return code_digest(FLOORS[0])


def code_digest(*folders: Path) -> str:
    """SHA-256 over the code in folders and below, comments and layout aside, and the data beside it."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".py", ".json"}:
                text = path.read_text(encoding="utf-8")
                digest.update(path.relative_to(folder).as_posix().encode())
                digest.update((ast.dump(ast.parse(text)) if path.suffix == ".py" else text).encode())
    return digest.hexdigest()


def command(module: str, words: Sequence[str]) -> str:
    """The command that was given; of absolute paths only the last part, which is the same elsewhere."""
    shown = [Path(word).name if Path(word).is_absolute() else word for word in words]
    return shlex.join(["python", "-m", module, *shown])
