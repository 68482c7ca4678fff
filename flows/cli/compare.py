"""``inr compare``: two files, how close they are, and a picture of both."""

import dataclasses
from pathlib import Path
from typing import Any

from rich.text import Text

from flows.cli.display import out
from flows.cli.files import check_output
from inr.errors import ConfigError
from tasks.report.compare import Comparison, Side, compare, side_by_side
from tasks.settings import RunOptions
from tasks.store.files import replace_file

NO_FLIP = "needs flip-evaluator: pip install '.[perceptual]'"


def compare_files(
    first: Path, second: Path, output: Path | None, gain: int, options: RunOptions
) -> dict[str, Any]:
    """Compare two files and write the picture, if one is asked for; returns what ``--json`` prints.

    Raises:
        ConfigError: The output is not named ``.png``, or the two are not of one size.
        SourceError, UnsupportedImage, BitstreamError: One of the two.
        StorageError: The output.
    """
    if output is not None:
        if output.suffix.lower() != ".png":
            raise ConfigError(f"output: expected a name ending in .png, found {str(output)!r}")
        for source in (first, second):
            check_output(source, output)
    found = compare(first, second, options)
    if output is not None:
        replace_file(output, side_by_side(found, gain))
    return _values(found, output)


def _values(found: Comparison, output: Path | None) -> dict[str, Any]:
    height, width, channels = found.first.pixels.shape
    return {
        "first": _side(found.first),
        "second": _side(found.second),
        "width": width,
        "height": height,
        "channels": channels,
        **dataclasses.asdict(found.quality),
        "max_difference": found.max_difference,
        "output": None if output is None else str(output),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "path": side.path,
        "is_bitstream": side.is_bitstream,
        "n_bytes": side.n_bytes,
        "rate_bpp": side.rate_bpp,
    }


def show_compared(made: dict[str, Any]) -> None:
    """What ``inr compare`` found, for people."""
    for side in (made["first"], made["second"]):
        _line(f"{side['path']}: {side['n_bytes']} bytes, {side['rate_bpp']:.4f} bpp")
    _line(f"PSNR {made['psnr_db']:.2f} dB, largest difference {made['max_difference']} of 255")
    _line(f"MS-SSIM {_or(made['ms_ssim'], 'is not for images under 161 pixels a side')}")
    _line(f"FLIP {_or(made['flip'], NO_FLIP)}")
    if made["output"]:
        _line(f"picture: {made['output']}")


def _or(value: float | None, why_not: str) -> str:
    return why_not if value is None else f"{value:.4f}"


def _line(text: str) -> None:
    out.print(Text(text))
