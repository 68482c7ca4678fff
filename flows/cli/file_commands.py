"""The commands of ``inr`` on single files: encode, decode, inspect, compare. As light as `flows.cli.app`."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import (
    DEFAULTS,
    Bitstream,
    Deadline,
    Device,
    Hidden,
    Json,
    Model,
    Output,
    Photograph,
    PresetOrTime,
    RdLambda,
    SecondsPerImage,
    Seed,
    TargetBpp,
    TargetPsnr,
    check_length,
    codec_config,
)
from tasks.store.outputs import named_file


def encode(
    image: Photograph,
    output: Output,
    model: Model = DEFAULTS.model,
    preset: PresetOrTime = None,
    seconds_per_image: SecondsPerImage = None,
    rd_lambda: RdLambda = None,
    target_psnr: TargetPsnr = None,
    target_bpp: TargetBpp = None,
    seed: Seed = DEFAULTS.seed,
    hidden: Hidden = DEFAULTS.hidden,
    device: Device = None,
    deadline: Deadline = None,
    as_json: Json = False,
) -> None:
    """Encode one image file into a bitstream."""
    check_length(preset, seconds_per_image)
    config = codec_config(model, preset, rd_lambda, target_psnr, target_bpp, seed, hidden)
    from flows.cli.file_display import show_encoded
    from flows.cli.files import encode_file
    from flows.cli.printing import fit_bar, show_json
    from tasks.settings import load_settings

    options = load_settings(device=device, deadline_seconds=deadline).options()
    with fit_bar(not as_json) as report:
        made = encode_file(image, output, config, options, report, seconds_per_image)
    show_json(made) if as_json else show_encoded(made)


def decode(
    bitstream: Bitstream,
    output: Output,
    as_json: Json = False,
) -> None:
    """Decode a bitstream into a PNG or lossless WebP with its ICC profile, EXIF and XMP."""
    from flows.cli.file_display import show_decoded
    from flows.cli.files import decode_file
    from flows.cli.printing import show_json

    made = decode_file(bitstream, output)
    show_json(made) if as_json else show_decoded(made)


def inspect(
    bitstream: Bitstream,
    as_json: Json = False,
) -> None:
    """Show where the bits of a bitstream go, by section and by tensor."""
    from flows.cli.file_display import show_inspection
    from flows.cli.files import inspect_file
    from flows.cli.printing import show_json

    found = inspect_file(bitstream)
    show_json(found) if as_json else show_inspection(found)


def compare(
    first: Photograph,
    second: Annotated[
        Path,
        typer.Argument(
            help="An image or a bitstream to compare with it, or - for standard input.",
            parser=named_file,
            metavar="FILE",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Picture of both and their difference to write, FILE.png; - for standard output.",
            parser=named_file,
            metavar="FILE",
        ),
    ] = None,
    gain: Annotated[int, typer.Option(min=1, max=255, help="How much the difference is amplified.")] = 8,
    as_json: Json = False,
) -> None:
    """Compare two images: PSNR, MS-SSIM, FLIP, sizes, and a picture of both side by side."""
    from flows.cli.file_display import show_compared
    from flows.cli.files import compare_files
    from flows.cli.printing import show_json
    from tasks.settings import load_settings

    made = compare_files(first, second, output, gain, load_settings().options())
    show_json(made) if as_json else show_compared(made)
