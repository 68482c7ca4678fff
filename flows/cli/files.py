"""The work of the commands on files: encode, decode, inspect, compare, and the report of an archive.

Each function writes at most one file and returns the values that ``--json`` prints. What only some of them
need is imported where it is used: `decode` does without torch, Prefect and pyarrow.
"""

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import inr
from inr.config import CodecConfig
from inr.errors import ConfigError
from tasks.originals.reading import read_named
from tasks.store.objects import MAX_BITSTREAM_BYTES
from tasks.store.outputs import STANDARD, check_output, write_output

if TYPE_CHECKING:
    from tasks.catalogue.recipe import Recipe
    from tasks.report.compare import Side
    from tasks.settings import RunOptions

# Packages that numba looks for as it loads, and that nothing in a decoder needs.
OPTIONAL_FOR_NUMBA = ("cffi", "colorama", "coverage", "scipy", "yaml")


def encode_file(
    image: Path,
    output: Path,
    config: CodecConfig,
    options: "RunOptions",
    report: "Callable[[inr.Progress], None] | None",
    seconds_per_image: float | None = None,
) -> dict[str, Any]:
    """Encode an image file, in the time of an image if one is given in place of the config's preset.

    Raises:
        SourceError, UnsupportedImage: The image cannot be read, or is none that is taken.
        EncodeError: The fit failed, or the time is too short for one.
        ConfigError, StorageError: The output cannot be written.
    """
    begun = time.perf_counter()
    import torch

    from flows.engine.cores import n_cores
    from tasks.catalogue.recipe import Recipe
    from tasks.originals.opening import open_picture
    from tasks.steps.choosing import notes_on_bitstream
    from tasks.steps.deadlines import FitWatch
    from tasks.steps.threads import use_threads

    use_threads(min(torch.get_num_threads(), n_cores()), with_torch=True)
    check_output(output, image, suffixes=[".inr"])
    data = read_named(image, max_bytes=options.max_file_bytes)
    picture = open_picture(data, max_pixels=options.max_pixels)
    watch = FitWatch(
        deadline_seconds=options.deadline_seconds, report=report and (lambda progress: report(progress[0]))
    )
    recipe, request = Recipe(config, None, None, seconds_per_image), (picture.pixels, config)
    n_steps = _n_steps(begun, inr.EncodeRequest(*request), recipe, options)
    started = time.perf_counter()
    encoded = inr.encode(
        *request, metadata=picture.metadata, n_steps=n_steps, device=options.device, on_progress=watch.alone
    )
    seconds = time.perf_counter() - started
    write_output(output, encoded.bitstream)
    return {
        "image": str(image),
        "output": str(output),
        **_size(picture.pixels.shape),
        "source_n_bytes": len(data),
        "notes": [*picture.notes, *notes_on_bitstream(picture, config, encoded)],
        "model": config.model,
        "preset": recipe.length,
        "n_steps": n_steps if encoded.attempts else None,
        "seed": config.seed,
        **_encoded(encoded, config),
        "encode_seconds": seconds,
        "fit_seconds": watch.busy_seconds,
        "n_threads": torch.get_num_threads(),
    }


def _n_steps(begun: float, request: "inr.EncodeRequest", recipe: "Recipe", options: "RunOptions") -> int:
    """The steps of an image's fits: those of its preset, or those with which it is done in its time."""
    from inr.encoder import steps_of
    from tasks.plan.timing import steps_until

    if recipe.seconds_per_image is None:
        return steps_of(recipe.config)
    return steps_until(begun + recipe.seconds_per_image, [request], recipe, options.device, checked=False)


def _encoded(encoded: "inr.Encoded", config: CodecConfig) -> dict[str, Any]:
    from tasks.catalogue.recipe import Recipe

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
    """Decode a bitstream into a PNG, or a WebP without loss, with its ICC profile, EXIF and XMP.

    Raises:
        ConfigError: The output is named for no format of `FORMATS`, or is no file of its own in an existing
            folder.
        SourceError: The bitstream cannot be read.
        UnsupportedImage: The format cannot hold the image.
        BitstreamError: It is no valid bitstream.
        StorageError: The output cannot be written.
    """
    from tasks.originals.writing import FORMATS

    check_output(output, bitstream, suffixes=[f".{name}" for name in FORMATS])
    data = read_named(bitstream, max_bytes=MAX_BITSTREAM_BYTES)
    with numba_alone():
        decoded = inr.decode(data)
    write = FORMATS.get(output.suffix.lower()[1:], FORMATS["png"])  # a pipe or a device need have no suffix
    write_output(output, write(decoded.pixels, decoded.metadata))
    return {
        "bitstream": str(bitstream),
        "output": str(output),
        **_size(decoded.pixels.shape),
        "icc_n_bytes": len(decoded.metadata.icc_profile or b""),
        "exif_n_bytes": len(decoded.metadata.exif or b""),
        "xmp_n_bytes": len(decoded.metadata.xmp or b""),
        "symbols_digest": decoded.symbols_digest,
        "pixels_digest": decoded.pixels_digest,
    }


def inspect_file(bitstream: Path) -> dict[str, Any]:
    """Account for every byte of a bitstream, by section and by tensor. Writes nothing.

    Raises:
        SourceError: It cannot be read.
        BitstreamError: It is no valid bitstream.
    """
    data = read_named(bitstream, max_bytes=MAX_BITSTREAM_BYTES)
    with numba_alone():
        inspected = inr.inspect(data)
    return {"bitstream": str(bitstream), **dataclasses.asdict(inspected)}


@contextmanager
def numba_alone() -> Iterator[None]:
    """Let numba load without its optional packages: a short command then starts a third of a second sooner.

    Packages that are loaded already stay; afterwards all can be imported as before.
    """
    hidden = [name for name in OPTIONAL_FOR_NUMBA if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails while this stands
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def compare_files(
    first: Path, second: Path, output: Path | None, gain: int, options: "RunOptions"
) -> dict[str, Any]:
    """Compare two files, and write a picture of both and of `gain` times their difference, if asked for.

    Raises:
        ConfigError: The output is not named ``.png``, or the two are not of one size.
        SourceError, UnsupportedImage, BitstreamError: One of the two cannot be read.
        StorageError: The output cannot be written.
    """
    from tasks.report.compare import compare, side_by_side

    if first == second == STANDARD:
        raise ConfigError("expected standard input once, found it for both images")
    if output is not None:
        check_output(output, first, second, suffixes=[".png"])
    found = compare(first, second, options)
    if output is not None:
        write_output(output, side_by_side(found, gain))
    return {
        "first": _side(found.first),
        "second": _side(found.second),
        **_size(found.first.pixels.shape),
        **dataclasses.asdict(found.quality),
        "max_difference": found.max_difference,
        "output": None if output is None else str(output),
    }


def _side(side: "Side") -> dict[str, Any]:
    return {
        "path": side.path,
        "is_bitstream": side.is_bitstream,
        "n_bytes": side.n_bytes,
        "rate_bpp": side.rate_bpp,
    }


def report_file(store: str, output: Path, n_worst: int, run_id: str | None = None) -> dict[str, Any]:
    """Write the report of an archive as one HTML file. No flow runs, since nothing in the store changes.

    Raises:
        ConfigError: Store, settings or output cannot be used; or the catalogue has no row.
        CatalogueError, StorageError: The store cannot be read, or the output not written.
    """
    from tasks.catalogue.lookup import open_archive
    from tasks.report.html.render import make_report
    from tasks.settings import load_settings
    from tasks.steps.threads import use_threads

    check_output(output, suffixes=[".html"])
    use_threads(1)  # threads that wait for a busy core cost a small picture four times its decoding
    archive = open_archive(store)
    made = make_report(archive, load_settings().options(), n_worst=n_worst, run_id=run_id)
    data = made.html.encode()
    write_output(output, data)
    totals = made.facts.totals
    return {
        "store": archive.url,
        "output": str(output),
        "n_images": totals.n_images,
        "n_archived": totals.n_archived,
        "n_failed": totals.n_failed,
        "n_pictures": made.n_shown,
        "n_bytes": len(data),
    }


def _size(shape: tuple[int, ...]) -> dict[str, int]:
    height, width, channels = shape
    return {"width": width, "height": height, "channels": channels}
