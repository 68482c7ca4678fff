"""Family `cnn` on crops of 256x256 against AVIF 4:4:4: rate, distortion, cost and seconds, from files.

    python -m benchmarks.crops --images kodak --out benchmarks/results/cnn_crops

crops each image of the set, encodes it at every λ, decodes the written file, and gives the BD-rate
against AVIF by image and over the set. Points are kept in OUT.jsonl as they come, as in `benchmarks.rd`.
"""

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import baselines, journal
from benchmarks.journal import Result
from benchmarks.provenance import headline, n_cores, provenance, result_file
from benchmarks.rd import baseline_job, encode_job, limit_threads, list_images
from benchmarks.rd_report import number, table, to_json
from inr.config import CodecConfig
from tasks.report.curves import Point, bd_rate, rate_at

BOX = (200, 100, 456, 356)  # left, top, right, bottom
NAMES = ("kodim01", "kodim05", "kodim07", "kodim13", "kodim19", "kodim23")
LAMBDAS = (0.004, 0.001, 0.0003)
ANCHOR = "AVIF 4:4:4"


def crop(image: Path, folder: Path) -> Path:
    """The crop of an image as a PNG file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{image.stem}.png"
    with Image.open(image) as opened:
        opened.convert("RGB").crop(BOX).save(path)
    return path


def measure_all(arguments: argparse.Namespace) -> tuple[list[Result], dict[str, list[Point]]]:
    """Every point of the codec, and AVIF's curve by image."""
    folder = arguments.work / arguments.out.name
    crops = [crop(image, folder / "crops") for image in list_images(arguments.images, arguments.names)]
    anchors = {path.stem: baseline_job(path, ANCHOR) for path in crops}
    encodes = [
        encode_job(
            path,
            CodecConfig(model="cnn", preset=arguments.preset, rd_lambda=rd_lambda),
            device="cpu",
            n_threads=arguments.threads,
            folder=folder,
        )
        for rd_lambda in arguments.lambdas
        for path in crops
    ]
    results = journal.run(
        [*encodes, *anchors.values()],
        result_file(arguments.out, ".jsonl"),
        n_workers=arguments.jobs,
        prepare=limit_threads,
        prepare_with=(arguments.threads,),
    )
    curves = {
        name: [Point(point["bpp"], point["psnr_db"]) for point in results[job.key]["points"]]
        for name, job in anchors.items()
    }
    return [results[job.key] for job in encodes], curves


def summarise(points: Sequence[Result], anchors: Mapping[str, Sequence[Point]]) -> dict[str, Any]:
    """BD-rates, and each point with what AVIF needs for its PSNR."""
    rates = {}
    for name, anchor in anchors.items():
        ours = [Point(point["bpp"], point["psnr_db"]) for point in points if point["image"] == name]
        rate = bd_rate(anchor=anchor, test=ours)
        rates[name] = dataclasses.asdict(rate) if rate else None
    defined = [rate["pchip"] for rate in rates.values() if rate]
    return {
        "bd_rate": rates,
        "bd_rate_mean_of_images": float(np.mean(defined)) if defined else None,
        "points": [
            {
                **point,
                "cost": 1000 * (10 ** (-point["psnr_db"] / 10) + point["rd_lambda"] * point["bpp"]),
                "avif_bpp": rate_at(anchors[point["image"]], point["psnr_db"]),
                "bytes_over_estimate": 8 * point["n_bytes"] / point["estimated_bits"],
            }
            for point in points
        ],
        "avif": {name: [dataclasses.astuple(point) for point in curve] for name, curve in anchors.items()},
    }


def to_markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    bd_rows = [
        [name, number(rate["pchip"], 1, " %"), f"{rate['low_db']:.2f} to {rate['high_db']:.2f}"]
        if rate
        else [name, "–", "no common range"]
        for name, rate in report["bd_rate"].items()
    ]
    bd_rows.append(["**mean of images**", f"**{number(report['bd_rate_mean_of_images'], 1, ' %')}**", ""])
    rows = [
        [
            point["image"],
            f"{point['rd_lambda']:g}",
            str(point["n_bytes"]),
            number(point["bpp"], 4),
            number(point["psnr_db"], 2),
            number(point["cost"], 3),
            number(point["avif_bpp"], 4),
            number(point["encode_seconds"], 0),
            number(point["decode_seconds"], 3),
            number(point["bytes_over_estimate"], 4),
        ]
        for point in report["points"]
    ]
    header = ("crop", "λ", "bytes", "bpp", "PSNR, dB", "cost", "AVIF's bpp there", "encode, s", "decode, s")
    lines = [
        "# Family cnn on crops of 256x256, from files",
        "",
        *headline(report),
        f"- Preset {report['preset']}; {report['jobs']} at once with {report['threads']} threads each",
        f"- Box {', '.join(map(str, BOX))} of each image; {baselines.origin(ANCHOR)}",
        "- cost: 1000 · (MSE + λ · bpp), pixels in [0, 1]",
        *table(("against AVIF", "BD-rate (PCHIP)", "over dB"), bd_rows),
        *table((*header, "bytes / estimate"), rows),
    ]
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> None:
    """Measures what is missing and writes OUT.json and OUT.md."""
    given = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(prog="benchmarks.crops", description="Crops against AVIF.")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of images")
    parser.add_argument("--names", nargs="+", default=NAMES, help="stems of the images to take")
    parser.add_argument("--lambdas", nargs="+", type=float, default=LAMBDAS)
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (default 1)")
    parser.add_argument("--threads", type=int, default=None, help="threads in each (default: cores / jobs)")
    parser.add_argument("--work", type=Path, default=Path("build/crops"), help="where the files go")
    parser.add_argument("--out", type=Path, required=True, metavar="NAME", help="writes NAME.json and .md")
    arguments = parser.parse_args(given)
    arguments.threads = arguments.threads or max(1, n_cores() // arguments.jobs)
    points, anchors = measure_all(arguments)
    chosen = {name: getattr(arguments, name) for name in ("preset", "jobs", "threads")}
    report = {**provenance("benchmarks.crops", given), **chosen, **summarise(points, anchors)}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    result_file(arguments.out, ".json").write_text(to_json(report), encoding="utf-8")
    result_file(arguments.out, ".md").write_text(to_markdown(report), encoding="utf-8")
    print(result_file(arguments.out, ".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
