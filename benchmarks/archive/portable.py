"""The check that an archive restores to the same bytes elsewhere than where it was made.

    python -m benchmarks.archive.portable --python VENV/bin/python --out benchmarks/results/portable

One store is made here: photographs in grey, grey and alpha, RGB, RGB and alpha, one with EXIF, by both model
families, and one stored without loss. It is then restored under the conditions of `CONDITIONS`, each in a
process of its own, and once more with each Python given, whose environment has another torch.
`tasks.steps.restore.restore_image` compares every digest on its way. This program compares besides the
SHA-256 of the pixels of each image, and the restored files byte for byte.

A store that is in the folder of --work is taken, so one that another machine made can be tried here.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import frame, journal, processes
from benchmarks.frame import read, table
from inr.config import MODELS, CodecConfig

THREADS = "PORTABLE_THREADS"
WITHOUT_NUMBA = "PORTABLE_WITHOUT_NUMBA"
# The others are compared with the first.
CONDITIONS: dict[str, dict[str, str]] = {
    "1 thread": {},
    "2 threads": {THREADS: "2"},
    "NumPy in place of numba": {WITHOUT_NUMBA: "1"},
    "numba for a generic processor": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
    "torch without AVX": {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}
WITH_OTHER_PYTHON = ("1 thread", "2 threads", "torch without AVX")


@dataclass(frozen=True)
class Restored:
    """A restore: its condition, and the SHA-256 of the pixels of each image and of each restored file."""

    condition: str
    torch: str
    cpu_capability: str
    n_threads: int
    compiled: bool
    pixels: Mapping[str, str]
    files: Mapping[str, str]

    def n_equal(self, first: "Restored") -> tuple[int, int]:
        """Count the images and the files that are those of another restore."""
        pairs = (first.pixels, self.pixels), (first.files, self.files)
        pixels, files = (sum(b.get(name) == digest for name, digest in a.items()) for a, b in pairs)
        return pixels, files


@dataclass(frozen=True)
class Result:
    """The restores, the one that the others are compared with first."""

    runs: Sequence[Restored]

    @property
    def is_equal(self) -> bool:
        """True if every restore gave the same."""
        first = self.runs[0]
        return all(run.n_equal(first) == first.n_equal(first) for run in self.runs)


@dataclass(frozen=True)
class Restore:
    """The store of a folder, restored with a Python under a condition, in a process of its own."""

    work: Path
    number: int
    python: str
    condition: str

    @property
    def key(self) -> str:
        """See `benchmarks.journal.Point`."""
        return f"{self.number} {self.condition}"

    def measure(self) -> Restored:
        """Restore it."""
        target = self.work / f"restored-{self.number}"
        shutil.rmtree(target, ignore_errors=True)
        program = [self.python, "-m", "benchmarks.archive.portable", "--restore"]
        environment = {**os.environ, **CONDITIONS[self.condition]}
        cost = processes.run([*program, str(self.work / "store"), str(target)], environment)
        return replace(read(Restored, json.loads(cost.printed)), condition=self.condition)


def make_store(work: Path) -> None:
    """Archive the photographs, by each model and once without loss."""
    from benchmarks.archive.here import archive_here
    from inr import Contract
    from tasks.catalogue.recipe import Recipe

    make_photographs(work / "photos")
    for model in MODELS:
        recipe = Recipe(CodecConfig(model=model, preset="draft"))
        archive_here(work / "photos" / model, str(work / "store"), recipe)
    unreachable = Recipe(CodecConfig(preset="draft"), Contract(min_psnr_db=99.0, max_refits=0))
    archive_here(work / "photos" / "lossless", str(work / "store"), unreachable)


def make_photographs(folder: Path) -> None:
    """Crops of photographs as scikit-image ships them: one folder per model."""
    from PIL import Image

    from benchmarks.samples import SHIPPED

    portrait = Image.open(SHIPPED / "astronaut.png").convert("RGB").crop((170, 60, 234, 108))
    transparent = portrait.copy()
    transparent.putalpha(Image.linear_gradient("L").resize(portrait.size))
    exif = Image.Exif()
    exif[0x010E] = "a portrait"
    for model in (*MODELS, "lossless"):
        (folder / model).mkdir(parents=True)
    for model in MODELS:
        portrait.save(folder / model / f"{model}-rgb.png", exif=exif.tobytes())
        portrait.convert("L").save(folder / model / f"{model}-grey.png")
        transparent.save(folder / model / f"{model}-rgb-alpha.png")
        transparent.convert("LA").save(folder / model / f"{model}-grey-alpha.png")
    portrait.rotate(90, expand=True).save(folder / "lossless" / "lossless-turned.png")


def restore(store: Path, target: Path) -> Restored:
    """Restore every image of a store, in this process."""
    if WITHOUT_NUMBA in os.environ:
        sys.modules["numba"] = None  # type: ignore[assignment]  # an import of it fails from now on
    import torch

    from inr.cnn import plain
    from inr.cnn.operations import exact_operations
    from tasks.plan.restoring import plan_restore
    from tasks.steps.restore import RestoreJob, restore_image
    from tasks.steps.verify import read_intact
    from tasks.store.locations import open_store

    opened, pixels = open_store(str(store)), {}
    job = RestoreJob(str(store), str(target), "png", int(os.environ.get(THREADS, "1")))
    for wanted in plan_restore(opened, "true", ".png"):
        restore_image(wanted, job)
        decoded = read_intact(opened, wanted.record.stored)[0].pixels
        pixels[wanted.path] = hashlib.sha256(decoded.tobytes()).hexdigest()
    files = {path.relative_to(target).as_posix(): path for path in sorted(target.rglob("*.png"))}
    return Restored(
        condition="",
        torch=torch.__version__,
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        n_threads=torch.get_num_threads(),
        compiled=exact_operations() is not plain,
        pixels=pixels,
        files={name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()},
    )


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--python", nargs="*", default=[], help="of environments with another torch")


def measure(arguments: argparse.Namespace) -> Result:
    """Make the store, if there is none, and restore it as often as OUT.jsonl does not hold yet."""
    work = arguments.work.resolve()
    if not (work / "store" / "catalogue").exists():
        shutil.rmtree(work, ignore_errors=True)
        make_store(work)
    wanted = [(sys.executable, name) for name in CONDITIONS]
    wanted += [(python, name) for python in arguments.python for name in WITH_OTHER_PYTHON]
    restores = [Restore(work, number, *each) for number, each in enumerate(wanted)]
    return Result(journal.measured(restores, Restored, frame.result_file(arguments.out, ".jsonl")))


def page(result: Result, _: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    first = result.runs[0]
    rows = []
    for run in result.runs:
        loops, (pixels, files) = "compiled" if run.compiled else "plain", run.n_equal(first)
        equal = (f"{pixels} of {len(first.pixels)}", f"{files} of {len(first.files)}")
        rows.append([run.condition, run.torch, run.cpu_capability, str(run.n_threads), loops, *equal])
    columns = ("torch", "its instructions", "threads", "loops of cnn", "pixels equal", "files equal")
    return [
        "# One archive, restored under other conditions",
        "- Made here: " + ", ".join(sorted(first.pixels)),
        "- Equal means: the SHA-256 of the pixels of each image, and each restored file byte for byte, are "
        "those of the first line. Each restore also compared bitstream, symbols and pixels with the records.",
        *table(("restored with", *columns), rows),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result; with --restore, restore one store and print what it is."""
    given = sys.argv[1:] if words is None else list(words)
    if given[:1] == ["--restore"]:
        print(json.dumps(asdict(restore(Path(given[1]), Path(given[2])))))
        return
    found = frame.run("benchmarks.archive.portable", given, options=options, measure=measure, page=page)
    if not found.is_equal:
        sys.exit("not all are equal")


if __name__ == "__main__":
    main()
