"""Encode and decode times of one image, and how its bytes compare with the fit's estimate.

    python -m benchmarks.speed kodak/kodim15.png --presets draft standard --out benchmarks/results/speed

Times are wall time in one process with its imports done. Encoding is timed once per preset, decoding
as the median of several runs. Writes OUT.json and OUT.md.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.provenance import headline, n_cores, provenance, write_result
from benchmarks.rd import Device, limit_threads, measure_point
from benchmarks.rd_report import number, table
from inr.config import PRESETS, CodecConfig

COLUMNS = (
    "preset",
    "λ",
    "bytes",
    "bpp",
    "PSNR, dB",
    "encode, s",
    "decode, s",
    "bytes / estimate",
    "side, bytes",
)


def decode_seconds(bitstream: bytes, n_runs: int) -> list[float]:
    """Seconds of each of `n_runs` decodes, after one that is not counted."""
    from inr import decode

    decode(bitstream)
    seconds = []
    for _ in range(n_runs):
        started = time.perf_counter()
        decode(bitstream)
        seconds.append(time.perf_counter() - started)
    return seconds


def side_bytes(bitstream: bytes) -> int:
    """Bytes of everything but the payload: header, side information, section lengths, CRC."""
    from inr import inspect

    found = inspect(bitstream)
    return found.n_bytes - sum(part.n_bytes for part in found.sections if part.name == "payload")


def measure(
    image: Path, config: CodecConfig, *, device: Device, n_runs: int, written: Path
) -> dict[str, Any]:
    """One row of the table."""
    point = measure_point(image, config, device, written)
    bitstream = written.read_bytes()
    runs = decode_seconds(bitstream, n_runs)
    return {
        "preset": config.preset,
        **point,
        "decode_seconds": statistics.median(runs),
        "decode_seconds_first": point["decode_seconds"],
        "decode_seconds_range": [min(runs), max(runs)],
        "bits_over_estimate": 8 * len(bitstream) / point["estimated_bits"],
        "side_bytes": side_bytes(bitstream),
    }


def to_markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    rows = [
        [
            row["preset"],
            f"{row['rd_lambda']:g}",
            str(row["n_bytes"]),
            number(row["bpp"], 4),
            number(row["psnr_db"], 2),
            number(row["encode_seconds"], 1),
            number(row["decode_seconds"], 3),
            number(row["bits_over_estimate"], 4),
            str(row["side_bytes"]),
        ]
        for row in report["rows"]
    ]
    lines = [
        f"# Speed: {report['image']}, {report['rows'][0]['width']}x{report['rows'][0]['height']}",
        "",
        *headline(report),
        f"- {report['threads']} threads; decode: median of {report['n_runs']} runs, imports aside",
        "- bytes / estimate: the file over its estimate, the weights' bits as the loss has them and the rest",
        "- side: the file less its payload, that is header, side information and CRC",
    ]
    return "\n".join([*lines, *table(COLUMNS, rows)]) + "\n"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.speed", description="Encode and decode times.")
    parser.add_argument("image", type=Path)
    parser.add_argument("--presets", nargs="+", default=PRESETS, choices=PRESETS)
    parser.add_argument("--rd-lambda", type=float, default=None)
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=n_cores())
    parser.add_argument("--runs", type=int, default=9, help="decodes to take the median of")
    parser.add_argument("--work", type=Path, default=Path("build/speed"), help="where the encoded files go")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="NAME", help="writes NAME.json and NAME.md"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Measures and writes the report."""
    given = sys.argv[1:] if words is None else list(words)
    arguments = parse(given)
    limit_threads(arguments.threads)
    report = {
        **provenance("benchmarks.speed", given),
        "image": arguments.image.stem,
        "threads": arguments.threads,
        "n_runs": arguments.runs,
        "rows": [
            measure(
                arguments.image,
                CodecConfig(model=arguments.model, preset=preset, rd_lambda=arguments.rd_lambda),
                device=arguments.device,
                n_runs=arguments.runs,
                written=arguments.work / f"{arguments.image.stem}-{preset}.inr",
            )
            for preset in arguments.presets
        ],
    }
    page = to_markdown(report)
    write_result(arguments.out, report, page)
    print(page)


if __name__ == "__main__":
    main()
