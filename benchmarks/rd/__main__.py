"""Rate and distortion of real files: images x λ, each encoded, written, read back and decoded, and baselines.

    python -m benchmarks.rd --images kodak --names kodim15 --lambdas 0.004 0.001 --out benchmarks/results/rd

writes OUT.json and OUT.md. Points are kept in OUT.jsonl as they come; run the same command again after an
interruption and only the missing ones are measured. A point is measured again when the code of `inr`, the
image or the settings change. JPEG is always measured, on the same images; `--baselines all` adds the other
classical codecs, and an empty `--lambdas` leaves only baselines. Several results are put side by side by
`benchmarks.rd.side_by_side`.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import frame, journal
from benchmarks.rd import page
from benchmarks.rd.codecs import CODECS, JPEGS, origin
from benchmarks.rd.made import MadePoint
from benchmarks.rd.measuring import BaselinePoint, FitPoint, crop, list_images
from benchmarks.rd.results import (
    JPEG,
    PUBLISHED,
    Codec,
    FilePoint,
    FittedPoint,
    Measures,
    Prices,
    combine,
    means,
    read_published,
)
from inr.config import CodecConfig
from tasks.wording import counted

OURS = "this codec"
# Published curves that a page names.
COMPARED = ("COIN", "Strümpler 2022", "NIF25")


@dataclass(frozen=True)
class Result:
    """A run.

    Attributes:
        points: The files of this codec.
        baselines: The files of each baseline.
        n_images: Number of images.
        mean: Means over images of this codec, for figures.
        jpeg_mean: The mean curve of `JPEG`, as pairs of bpp and dB, for figures.
    """

    points: Sequence[FittedPoint]
    baselines: Mapping[str, Sequence[FilePoint]]
    n_images: int
    mean: Sequence[Measures]
    jpeg_mean: Sequence[tuple[float, float]]


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of images")
    parser.add_argument("--names", nargs="*", default=[], help="stems of the images to take (default: all)")
    parser.add_argument("--box", nargs=4, type=int, help="left, top, right, bottom: the part to take of each")
    parser.add_argument("--lambdas", nargs="*", type=float, default=(), help="none: baselines only")
    parser.add_argument("--made", type=Path, metavar="DIR", help="measure files that benchmarks.gpu kept")
    parser.add_argument("--baselines", nargs="*", default=[], choices=[*CODECS, "all"], metavar="NAME")
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--decodes", type=int, default=0, help="after the first one, to take the median of")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (default 1)")
    parser.add_argument(
        *("--threads", "--threads-per-process"),
        type=int,
        dest="threads_per_process",
        help="default: cores / jobs",
    )
    parser.add_argument("--reference", type=Path, default=PUBLISHED, metavar="FILE", help="published curves")
    parser.add_argument("--compare", nargs="*", default=COMPARED, help="curves of FILE to show")


def measure(arguments: argparse.Namespace) -> Result:
    """Every file of the baselines, and every one of this codec."""
    chosen = arguments
    if "all" in chosen.baselines:
        chosen.baselines = CODECS
    chosen.baselines = list(dict.fromkeys([*JPEGS, *chosen.baselines]))
    chosen.threads_per_process = chosen.threads_per_process or max(1, frame.n_cores() // chosen.jobs)
    images = list_images(chosen.images, chosen.names)
    if chosen.box:
        images = [crop(image, chosen.box, chosen.work / "crops") for image in images]
    files = [
        BaselinePoint(image, name, setting)
        for name in chosen.baselines
        for image in images
        for setting in CODECS[name].grid
    ]
    path = frame.result_file(chosen.out, ".jsonl")
    pool = {"n_processes": chosen.jobs, "n_threads": chosen.threads_per_process}
    found = list(zip(files, journal.measured(files, FilePoint, path, **pool), strict=True))
    baselines = {name: [point for file, point in found if file.name == name] for name in chosen.baselines}
    points = journal.measured(_fits(chosen, images), FittedPoint, path, **pool)
    return summarise(points, baselines)


def _fits(chosen: argparse.Namespace, images: Sequence[Path]) -> Sequence[FitPoint | MadePoint]:
    """The files of this codec: those to make, or those that were made."""
    places = [(rd_lambda, image) for rd_lambda in chosen.lambdas for image in images]
    if chosen.made is not None:
        return [MadePoint(image, rd_lambda, chosen.made, chosen.preset) for rd_lambda, image in places]
    code = frame.codec_digest()
    return [
        FitPoint(
            image=image,
            config=CodecConfig(
                model=chosen.model, preset=chosen.preset, seed=chosen.seed, rd_lambda=rd_lambda
            ),
            device=chosen.device,
            n_threads=chosen.threads_per_process,
            n_decodes=chosen.decodes,
            code=code,
            folder=chosen.work / chosen.out.name,
        )
        for rd_lambda, image in places
    ]


def summarise(points: Sequence[FittedPoint], baselines: Mapping[str, Sequence[FilePoint]]) -> Result:
    """The result of what was measured."""
    jpeg = combine(codecs([], baselines), Prices()).curves[JPEG]
    pairs = [(point.bpp, point.psnr_db) for point in jpeg.mean]
    return Result(points, baselines, len(jpeg.by_image), means(points), pairs)


def codecs(points: Sequence[FittedPoint], baselines: Mapping[str, Sequence[FilePoint]]) -> list[Codec]:
    """The codecs of a run, with this one in front if it was measured."""
    ours = [Codec(OURS, points, is_ours=True)] if points else []
    return [*ours, *(Codec(name, of_one, is_ours=False) for name, of_one in baselines.items())]


def title(result: Result, arguments: argparse.Namespace) -> str:
    """The title of the page: what was measured, and on what."""
    what = f"{arguments.model} {arguments.preset}" if result.points else "baselines"
    images = counted(result.n_images, "image")
    if arguments.box:
        left, top, right, bottom = arguments.box
        images = f"crops of {right - left}x{bottom - top} of {images}"
    return f"Rate and distortion of {what} on {images}"


def lines(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    chosen, all_codecs = arguments, codecs(result.points, result.baselines)
    devices = ", ".join(sorted({point.device for point in result.points}))
    codec = f"model {chosen.model}, preset {chosen.preset}, seed {chosen.seed}, {devices}"
    combined = combine(all_codecs, Prices())
    published = read_published(chosen.reference, chosen.compare)
    curves = {name: of_one.mean for name, of_one in combined.curves.items()}
    return [
        f"# {title(result, chosen)}",
        *([f"- This codec: {codec}"] if result.points else []),
        f"- {chosen.jobs} at once, {chosen.threads_per_process} threads each",
        *([f"- decode: the median of {chosen.decodes}, after a first one"] if chosen.decodes else []),
        *(f"- {origin(name)}" for name in result.baselines),
        *([f"- Box {', '.join(map(str, chosen.box))} of each image"] if chosen.box else []),
        f"- Images: {result.n_images}",
        page.EXPLAINED,
        *page.bd_rates(combined),
        *page.means(combined, all_codecs),
        *page.rates_needed({**curves, **published}),
        *(page.bd_rates_by_image(combined, OURS, published) if result.points else []),
        *(page.files(result.points, combined) if result.points else []),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure what is missing and write the result."""
    frame.run("benchmarks.rd", words, options=options, measure=measure, page=lines)


if __name__ == "__main__":
    main()
