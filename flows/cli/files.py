"""One file in, one file out: what ``inr encode``, ``decode`` and ``inspect`` do, without a store."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import inr
from inr import CodecConfig, Encoded, Progress
from inr.errors import ConfigError
from tasks.catalogue.recipe import Recipe
from tasks.originals.opening import open_file
from tasks.originals.reading import read_source
from tasks.originals.writing import to_png
from tasks.settings import RunOptions
from tasks.steps.deadlines import FitWatch
from tasks.store.files import replace_file
from tasks.store.objects import MAX_BITSTREAM_BYTES


def encode_file(
    image: Path,
    output: Path,
    config: CodecConfig,
    options: RunOptions,
    report: Callable[[Progress], None] | None,
) -> dict[str, Any]:
    """Encode an image file; returns what was made, as ``inr encode --json`` prints it.

    Raises:
        SourceError, UnsupportedImage: The image.
        EncodeError: The fit.
        StorageError: The output.
    """
    from tasks.steps.compress import fit  # brings Prefect and pyarrow, which `decode` does without

    check_output(image, output)
    picture, source_n_bytes = open_file(image.absolute().as_uri(), options)
    watch = FitWatch(deadline_seconds=options.deadline_seconds, report=report)
    encoded, seconds = fit(picture, config, options.device, watch)
    replace_file(output, encoded.bitstream)
    height, width, channels = picture.pixels.shape
    return {
        "image": str(image),
        "output": str(output),
        "width": width,
        "height": height,
        "channels": channels,
        "source_n_bytes": source_n_bytes,
        "notes": list(picture.notes),
        "model": config.model,
        "preset": config.preset,
        "seed": config.seed,
        **_made(encoded, config),
        "encode_seconds": seconds,
        "fit_seconds": watch.fit_seconds,
        "n_threads": torch.get_num_threads(),
    }


def _made(encoded: Encoded, config: CodecConfig) -> dict[str, Any]:
    goal_name, goal_value = Recipe(config).goal
    reached = {
        "rd_lambda": encoded.rd_lambda,
        "target_psnr_db": encoded.psnr_db,
        "target_bpp": encoded.rate_bpp,
    }[goal_name]
    return {
        "n_bytes": len(encoded.bitstream),
        "rate_bpp": encoded.rate_bpp,
        "psnr_db": encoded.psnr_db,
        "rd_lambda": encoded.rd_lambda,
        "goal": goal_name,
        "goal_value": goal_value,
        "goal_reached": reached,
        "attempts": [dataclasses.asdict(attempt) for attempt in encoded.attempts],
        "restarts": encoded.restarts,
        "estimated_rate_bits": encoded.estimated_rate_bits,
        "n_parameters": encoded.n_parameters,
        "device": encoded.device,
        "symbols_digest": encoded.symbols_digest,
        "pixels_digest": encoded.pixels_digest,
    }


def decode_file(bitstream: Path, output: Path) -> dict[str, Any]:
    """Decode a bitstream into a PNG with its ICC profile and EXIF; returns what it holds.

    Raises:
        ConfigError: The output is not named ``.png``.
        SourceError: The bitstream cannot be read.
        BitstreamError: It is none.
        StorageError: The output.
    """
    if output.suffix.lower() != ".png":
        raise ConfigError(f"output: expected a name ending in .png, found {str(output)!r}")
    check_output(bitstream, output)
    decoded = inr.decode(read_source(bitstream.absolute().as_uri(), max_bytes=MAX_BITSTREAM_BYTES))
    replace_file(output, to_png(decoded.pixels, decoded.metadata))
    height, width, channels = decoded.pixels.shape
    return {
        "bitstream": str(bitstream),
        "output": str(output),
        "width": width,
        "height": height,
        "channels": channels,
        "icc_n_bytes": len(decoded.metadata.icc_profile or b""),
        "exif_n_bytes": len(decoded.metadata.exif or b""),
        "symbols_digest": decoded.symbols_digest,
        "pixels_digest": decoded.pixels_digest,
    }


def inspect_file(bitstream: Path) -> dict[str, Any]:
    """What a bitstream consists of, as ``inr inspect --json`` prints it.

    Raises:
        SourceError: It cannot be read.
        BitstreamError: It is none.
    """
    data = read_source(bitstream.absolute().as_uri(), max_bytes=MAX_BITSTREAM_BYTES)
    return {"bitstream": str(bitstream), **dataclasses.asdict(inr.inspect(data))}


def finite(value: Any) -> Any:
    """The same with infinities and NaN, which JSON does not have, as None; tuples as lists."""
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_output(source: Path, output: Path) -> None:
    """Raise `ConfigError` unless the output is a file of its own in a folder that is there."""
    if not output.parent.is_dir():
        raise ConfigError(f"output: expected an existing folder, found {str(output.parent)!r}")
    if output.exists() and (output.is_dir() or output.samefile(source)):
        raise ConfigError(f"output: expected a file of its own, found {str(output)!r}")
