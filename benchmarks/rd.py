"""Rate and distortion of real files: images x λ, each encoded, written, read back and decoded, and baselines.

    python -m benchmarks.rd --images kodak --names kodim15 --lambdas 0.004 0.001 --out benchmarks/results/rd

writes OUT.json, OUT.md and OUT.svg. Points are kept in OUT.jsonl as they come; run the same command
again after an interruption and only the missing ones are measured. A point is measured again when
the code of `inr`, the image or the settings change. JPEG is always measured, on the same images;
`--baselines all` adds the other classical codecs, and an empty `--lambdas` leaves only baselines.
Several results are put side by side by `benchmarks.combined`.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks import baselines, journal, rd_report
from benchmarks.baselines import CODECS, JPEGS
from benchmarks.journal import Job, Result
from benchmarks.provenance import codec_digest, n_cores, provenance, result_file
from benchmarks.rd_stats import summarise
from inr.config import CodecConfig

Device = Literal["auto", "cpu", "cuda"]

DEFAULT_LAMBDAS = (0.01, 0.004, 0.0015, 0.0005)
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
MAX_PIXELS = 1 << 26
# Published points, each with its source, and those of them that a report names.
PUBLISHED = Path(__file__).parent / "published.json"
COMPARED = ("COIN", "Strümpler 2022", "NIF25")


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """The image as the archive would open it: uint8 [H, W, C]."""
    from tasks.originals.opening import open_picture

    return open_picture(path.read_bytes(), max_pixels=MAX_PIXELS).pixels


def limit_threads(n_threads: int) -> None:
    """Gives this process `n_threads` threads for its arithmetic, and imports what is not to be timed."""
    os.environ["OMP_NUM_THREADS"] = str(n_threads)
    import torch

    torch.set_num_threads(n_threads)


def measure_point(image: Path, config: CodecConfig, device: Device, written: Path) -> Result:
    """Encodes one image to the file `written`, and decodes that file. Times in seconds, imports aside."""
    from inr import decode, encode
    from inr.metrics import bpp
    from tasks.report.quality import measure_quality

    pixels = read_pixels(image)
    height, width, channels = pixels.shape
    started = time.perf_counter()
    encoded = encode(pixels, config, device=device)
    encode_seconds = time.perf_counter() - started
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_bytes(encoded.bitstream)

    bitstream = written.read_bytes()
    started = time.perf_counter()
    decoded = decode(bitstream)
    decode_seconds = time.perf_counter() - started
    return {
        "image": image.stem,
        "width": width,
        "height": height,
        "channels": channels,
        "rd_lambda": encoded.rd_lambda,
        "n_bytes": len(bitstream),
        "bpp": bpp(n_bytes=len(bitstream), width=width, height=height),
        **dataclasses.asdict(measure_quality(reference=pixels, decoded=decoded.pixels)),
        "encode_seconds": encode_seconds,
        "decode_seconds": decode_seconds,
        "estimated_bits": encoded.estimated_rate_bits,
        "n_parameters": encoded.n_parameters,
        "device": encoded.device,
    }


def measure_baseline(image: Path, name: str) -> Result:
    """The points of a baseline on one image."""
    points = baselines.measure(name, read_pixels(image))
    return {"points": [{"image": image.stem, **point} for point in points]}


def list_images(folder: Path, names: Sequence[str]) -> list[Path]:
    """Images of `folder` by name; those whose stem is in `names`, if any are given.

    Raises:
        FileNotFoundError: A name has no image, or the folder has none.
    """
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES}
    missing = [name for name in names if name not in found]
    if missing or not found:
        wanted = ", ".join(missing) or "images"
        raise FileNotFoundError(f"{folder}: expected {wanted}, found {len(found)} others")
    return [found[name] for name in names] if names else list(found.values())


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def encode_job(image: Path, config: CodecConfig, *, device: Device, n_threads: int, folder: Path) -> Job:
    """The measurement of one point of the codec's curve."""
    depends = _digest(codec_digest(), _file_digest(image), config.to_json(), device, str(n_threads))
    written = folder / f"{image.stem}-{depends}.inr"
    arguments = {"image": image, "config": config, "device": device, "written": written}
    return Job(f"{image.stem} λ={config.rd_lambda:g} {depends}", measure_point, arguments)


def baseline_job(image: Path, name: str) -> Job:
    """The measurement of a baseline on one image."""
    depends = _digest(baselines.origin(name), repr(CODECS[name].grid), _file_digest(image))
    return Job(f"{image.stem} {name} {depends}", measure_baseline, {"image": image, "name": name})


def _config(arguments: argparse.Namespace, rd_lambda: float) -> CodecConfig:
    return CodecConfig(
        model=arguments.model, preset=arguments.preset, rd_lambda=rd_lambda, seed=arguments.seed
    )


def measure_all(arguments: argparse.Namespace) -> tuple[list[Result], dict[str, list[Result]]]:
    """Every point of the codec, and of each baseline."""
    images = list_images(arguments.images, arguments.names)
    folder = arguments.work / arguments.out.name
    others = {name: [baseline_job(image, name) for image in images] for name in arguments.baselines}
    encodes = [
        encode_job(
            image,
            _config(arguments, rd_lambda),
            device=arguments.device,
            n_threads=arguments.threads,
            folder=folder,
        )
        for rd_lambda in arguments.lambdas
        for image in images
    ]
    results = journal.run(
        [*(job for jobs in others.values() for job in jobs), *encodes],
        result_file(arguments.out, ".jsonl"),
        n_workers=arguments.jobs,
        prepare=limit_threads,
        prepare_with=(arguments.threads,),
    )
    measured = {
        name: [point for job in jobs for point in results[job.key]["points"]] for name, jobs in others.items()
    }
    return [results[job.key] for job in encodes], measured


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of a run, for its record."""
    return {
        "model": arguments.model,
        "preset": arguments.preset,
        "seed": arguments.seed,
        "lambdas": list(arguments.lambdas),
        "device": arguments.device,
        "processes": arguments.jobs,
        "threads_per_process": arguments.threads,
        "baselines": {name: baselines.origin(name) for name in arguments.baselines},
    }


def read_published(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Published curves by name, as lists `bpp` and `psnr`, with their sources."""
    curves = json.loads(path.read_text(encoding="utf-8"))
    return {name: curves[name] for name in names}


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.rd", description="Rate and distortion.")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of images")
    parser.add_argument("--names", nargs="*", default=[], help="stems of the images to take (default: all)")
    parser.add_argument(
        "--lambdas", nargs="*", type=float, default=DEFAULT_LAMBDAS, help="none: baselines only"
    )
    parser.add_argument("--baselines", nargs="*", default=[], help=f"of {', '.join(CODECS)}, or all")
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (default 1)")
    parser.add_argument("--threads", type=int, default=None, help="threads in each (default: cores / jobs)")
    parser.add_argument("--reference", type=Path, default=PUBLISHED, metavar="FILE", help="published curves")
    parser.add_argument("--compare", nargs="*", default=COMPARED, help="curves of FILE to show")
    parser.add_argument("--work", type=Path, default=Path("build/rd"), help="where the encoded files go")
    parser.add_argument("--out", type=Path, required=True, metavar="NAME", help="writes NAME.json, .md, .svg")
    arguments = parser.parse_args(words)
    arguments.threads = arguments.threads or max(1, n_cores() // arguments.jobs)
    chosen = CODECS if "all" in arguments.baselines else arguments.baselines
    if unknown := set(chosen) - set(CODECS):
        parser.error(f"--baselines: expected of {', '.join(CODECS)}, found {', '.join(sorted(unknown))}")
    arguments.baselines = list(dict.fromkeys([*JPEGS, *chosen]))
    return arguments


def main(words: Sequence[str] | None = None) -> None:
    """Measures what is missing and writes the report."""
    given = sys.argv[1:] if words is None else list(words)
    arguments = parse(given)
    points, others = measure_all(arguments)
    published = read_published(arguments.reference, arguments.compare)
    report = {
        **provenance("benchmarks.rd", given),
        "settings": settings(arguments),
        **summarise(points, others, published),
    }
    rd_report.write(report, arguments.out)
    print(result_file(arguments.out, ".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
