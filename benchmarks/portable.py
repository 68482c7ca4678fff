"""Does an archive restore to the same bytes elsewhere than where it was made?

    python -m benchmarks.portable --python VENV/bin/python --out benchmarks/results/portable

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
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import journal
from benchmarks.journal import Job, Result
from benchmarks.provenance import headline, provenance, result_file, write_result
from benchmarks.rd_report import table
from inr.config import MODELS, CodecConfig

THREADS = "PORTABLE_THREADS"
WITHOUT_NUMBA = "PORTABLE_WITHOUT_NUMBA"
# The first is that of the comparison.
CONDITIONS: dict[str, dict[str, str]] = {
    "1 thread": {},
    "2 threads": {THREADS: "2"},
    "NumPy in place of numba": {WITHOUT_NUMBA: "1"},
    "numba for a generic processor": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
    "torch without AVX": {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}
WITH_OTHER_PYTHON = ("1 thread", "2 threads", "torch without AVX")


def make_store(work: Path) -> None:
    """Archives the photographs, by each model and once without loss; no flow around the tasks."""
    from tasks.catalogue.contract import Contract

    make_photographs(work / "photos")
    for model in MODELS:
        _archive(work, f"{model}/", CodecConfig(model=model, preset="draft"), None)
    flat_contract = Contract(min_psnr_db=99.0, max_refits=0)
    _archive(work, "lossless/", CodecConfig(model="cnn", preset="draft"), flat_contract)


def make_photographs(folder: Path) -> None:
    """Crops of photographs as scikit-image ships them: one folder per model."""
    from PIL import Image

    from benchmarks.samples import SHIPPED

    portrait = Image.open(SHIPPED / "astronaut.png").convert("RGB").crop((170, 60, 234, 108))
    alpha = Image.linear_gradient("L").resize(portrait.size)
    transparent = portrait.copy()
    transparent.putalpha(alpha)
    exif = Image.Exif()
    exif[0x010E] = "a portrait"
    for model in MODELS:
        (folder / model).mkdir(parents=True)
        portrait.save(folder / model / "rgb.png", exif=exif.tobytes())
        portrait.convert("L").save(folder / model / "grey.png")
        transparent.save(folder / model / "rgb-alpha.png")
        transparent.convert("LA").save(folder / model / "grey-alpha.png")
    (folder / "lossless").mkdir()
    portrait.rotate(90, expand=True).save(folder / "lossless" / "turned.png")


def _archive(work: Path, below: str, config: CodecConfig, contract: Any) -> None:
    from tasks.catalogue.recipe import Recipe
    from tasks.originals.listing import SourceImage, list_source
    from tasks.originals.reading import digest_source
    from tasks.settings import RunOptions
    from tasks.steps.commit import append
    from tasks.steps.compress import compress_image
    from tasks.steps.jobs import ArchiveJob
    from tasks.steps.verify import verify_image
    from tasks.store.locations import open_store

    job = ArchiveJob(
        run_id="portable",
        store=str(work / "store"),
        recipe=Recipe(config, contract),
        options=RunOptions(device="cpu", workers=1),
    )
    rows = []
    for file in list_source(str(work / "photos" / below)).files:
        digest, n_bytes = digest_source(file.uri, max_bytes=1 << 20)
        image = SourceImage(digest, file.uri, below + file.path, n_bytes)
        rows.append(verify_image(compress_image(image, job), job))
    append(open_store(job.store), rows)


def restore(store: Path, target: Path) -> dict[str, Any]:
    """Restores every image of a store, in this process, and tells what it found."""
    if WITHOUT_NUMBA in os.environ:
        sys.modules["numba"] = None  # type: ignore[assignment]  # an import of it fails from now on
    import torch

    from inr.cnn.architecture import compiled_kernels
    from tasks.steps.restore import RestoreJob, restore_image, select
    from tasks.steps.verify import read_intact
    from tasks.store.locations import open_store

    opened, pixels = open_store(str(store)), {}
    job = RestoreJob(str(store), str(target), "png", int(os.environ.get(THREADS, "1")))
    for record in select(opened, "true"):
        restore_image(record, job)
        pixels[record.path] = hashlib.sha256(
            read_intact(opened, record.stored)[0].pixels.tobytes()
        ).hexdigest()
    return {
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "n_threads": torch.get_num_threads(),
        "compiled": compiled_kernels() is not None,
        "pixels": pixels,
        "files": {
            path.relative_to(target).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(target.rglob("*.png"))
        },
    }


def measure(work: Path, pythons: Sequence[str], out: Path) -> list[Result]:
    """Makes the store, if there is none, and restores it as often as OUT.jsonl does not tell of it yet."""
    if not (work / "store" / "catalogue").exists():
        shutil.rmtree(work, ignore_errors=True)
        make_store(work)
    runs = [(sys.executable, name) for name in CONDITIONS]
    runs += [(python, name) for python in pythons for name in WITH_OTHER_PYTHON]
    jobs = [
        Job(
            f"{number} {name}",
            restore_with,
            {"work": work, "number": number, "python": python, "condition": name},
        )
        for number, (python, name) in enumerate(runs)
    ]
    return list(journal.run(jobs, result_file(out, ".jsonl"), n_workers=1).values())


def restore_with(work: Path, number: int, python: str, condition: str) -> Result:
    """Restores the store with a Python under a condition, in a process of its own.

    Raises:
        subprocess.CalledProcessError: It could not be restored.
    """
    target = work / f"restored-{number}"
    shutil.rmtree(target, ignore_errors=True)
    command = [python, "-m", "benchmarks.portable", "--restore", str(work / "store"), str(target)]
    environment = {**os.environ, **CONDITIONS[condition]}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return {"condition": condition, **json.loads(done.stdout)}


def n_equal(expected: Mapping[str, str], found: Mapping[str, str]) -> int:
    """How many names have the same digest in both."""
    return sum(found.get(name) == digest for name, digest in expected.items())


def to_markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    first, *_ = runs = report["runs"]
    rows = [
        (
            run["condition"],
            run["torch"],
            run["cpu_capability"],
            str(run["n_threads"]),
            "compiled" if run["compiled"] else "plain",
            *(f"{n_equal(first[what], run[what])} of {len(first[what])}" for what in ("pixels", "files")),
        )
        for run in runs
    ]
    header = (
        "restored with",
        "torch",
        "its instructions",
        "threads",
        "loops of cnn",
        "pixels equal",
        "files equal",
    )
    lines = [
        "# One archive, restored under other conditions",
        "",
        *headline(report),
        "- Made here: " + ", ".join(sorted(first["pixels"])),
        "- Equal means: the SHA-256 of the pixels of each image, and each restored file byte for byte, are "
        "those of the first line. Each restore also compared bitstream, symbols and pixels with the records.",
        *table(header, rows),
    ]
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> None:
    """Measures and writes the report; with --restore, restores one store and prints what it found."""
    given = sys.argv[1:] if words is None else list(words)
    if given[:1] == ["--restore"]:
        print(json.dumps(restore(Path(given[1]), Path(given[2]))))
        return
    parser = argparse.ArgumentParser(
        prog="benchmarks.portable", description="One archive, restored elsewhere."
    )
    parser.add_argument("--python", nargs="*", default=[], help="of environments with another torch")
    parser.add_argument(
        "--work", type=Path, default=Path("build/portable"), help="folder to work in; emptied"
    )
    parser.add_argument(
        "--out", type=Path, metavar="NAME", required=True, help="writes NAME.json and NAME.md"
    )
    arguments = parser.parse_args(given)
    runs = measure(arguments.work.resolve(), arguments.python, arguments.out)
    report = {**provenance("benchmarks.portable", given), "runs": runs}
    page = to_markdown(report)
    write_result(arguments.out, report, page)
    print(page)
    if any(
        n_equal(runs[0][what], run[what]) < len(runs[0][what]) for run in runs for what in ("pixels", "files")
    ):
        sys.exit("not all are equal")


if __name__ == "__main__":
    main()
