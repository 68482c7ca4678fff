"""Arguments and options that several commands of ``inr`` have. As light as `flows.cli.app`."""

import math
from pathlib import Path
from typing import Annotated

import typer

from inr.config import DEFAULT_RD_LAMBDA, HIDDEN, MAX_REFITS, MODELS, PRESETS, CodecConfig, Contract
from inr.errors import ConfigError
from tasks.store.outputs import named_file

DEFAULTS = CodecConfig()  # of the options that a command passes on to it

Model = Annotated[str, typer.Option(help=f"Model family: {', '.join(MODELS)}.")]
_PRESETS = f"How much time a fit may take: {', '.join(PRESETS)}."
Preset = Annotated[str, typer.Option(help=_PRESETS)]
# Not in brackets, in which Rich takes a word of lower-case letters for markup and shows nothing.
PresetOrTime = Annotated[
    str | None, typer.Option("--preset", help=f"{_PRESETS} Without one: {DEFAULTS.preset}.")
]
SecondsPerImage = Annotated[
    float | None,
    typer.Option(
        help="Time of each image in all, in place of a preset: its fit has as many steps as fit in."
    ),
]
Hours = Annotated[
    float | None,
    typer.Option(help="Time of the run, in place of a preset; its images share it by their pixels."),
]
RdLambda = Annotated[
    float | None,
    typer.Option(help=f"λ: weight of a bit per pixel against the mean squared error. [{DEFAULT_RD_LAMBDA}]"),
]
TargetPsnr = Annotated[float | None, typer.Option(help="Quality to reach, in dB, instead of λ.")]
TargetBpp = Annotated[float | None, typer.Option(help="File size to reach, in bits per pixel, instead of λ.")]
Seed = Annotated[int, typer.Option(help="Seed of the fit.")]
Hidden = Annotated[
    str, typer.Option(help=f"Colours of fully transparent pixels: {' or '.join(HIDDEN)} them.")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda. [INR_DEVICE, else auto]")]
Deadline = Annotated[
    float | None,
    typer.Option(
        help="Longest time of one image's fits, in seconds; opening, checks and upload do not count. "
        "[INR_DEADLINE_SECONDS]"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Images at a time; where a GPU fits them, groups of images. "
        "[INR_WORKERS, else one per core, or two groups]"
    ),
]
Runner = Annotated[str | None, typer.Option(help="threads or dask. [INR_RUNNER, else threads]")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Photograph = Annotated[
    Path, typer.Argument(help="The photograph, or - for standard input.", parser=named_file, metavar="IMAGE")
]
Bitstream = Annotated[
    Path,
    typer.Argument(help="The bitstream, or - for standard input.", parser=named_file, metavar="FILE.inr"),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="The file to write; - for standard output, and messages go to standard error.",
        parser=named_file,
        metavar="FILE",
    ),
]
Source = Annotated[str, typer.Argument(help="A folder of photographs, or one; or s3://bucket/prefix.")]
Store = Annotated[str, typer.Argument(help="The folder or s3://bucket/prefix of the archive.")]
StoreOrSetting = Annotated[
    str | None, typer.Argument(help="The folder of the archive, or s3://bucket/prefix. [INR_STORE]")
]
MinPsnr = Annotated[
    float | None,
    typer.Option(help="Contract: least PSNR, in dB; an image that no fit brings there is stored losslessly."),
]
Include = Annotated[
    list[str],
    typer.Option(
        help="Take only files that match: *.tif at any depth, 2019/** from the source on. "
        "May be given several times."
    ),
]
Exclude = Annotated[
    list[str],
    typer.Option(help="Leave out files that match, as in --include. May be given several times."),
]
RetryBad = Annotated[
    bool, typer.Option("--retry-bad", help="Try files again that are known to be no pictures we take.")
]
ExpectAtLeast = Annotated[
    int,
    typer.Option(min=0, help="An error where the source has fewer files: its disk may not be mounted."),
]
MaxRefits = Annotated[
    int | None,
    typer.Option(
        help=f"Most fits with a smaller λ that may be made to meet --min-psnr, 0 to {MAX_REFITS}. "
        f"[{Contract.max_refits}]"
    ),
]


def check_length(preset: str | None, seconds_per_image: float | None, hours: float | None = None) -> None:
    """Refuse more than one option that says how long a fit is.

    Raises:
        ConfigError: There are two or more; or a time is no number above 0.
    """
    times = {"--seconds-per-image": seconds_per_image, "--hours": hours}
    given = [name for name, value in {"--preset": preset, **times}.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(
            f"expected one of --preset and a time to say how long a fit is, found {', '.join(given)}"
        )
    for name, value in times.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{name}: expected a number above 0, found {value!r}")


def codec_config(
    model: str,
    preset: str | None,
    rd_lambda: float | None,
    target_psnr: float | None,
    target_bpp: float | None,
    seed: int,
    hidden: str,
) -> CodecConfig:
    """The config that the options of a command ask for.

    Raises:
        ConfigError: An option is out of its range, or more than one goal is set.
    """
    return CodecConfig(
        model=model,
        preset=DEFAULTS.preset if preset is None else preset,
        rd_lambda=rd_lambda,
        target_psnr_db=target_psnr,
        target_bpp=target_bpp,
        seed=seed,
        hidden=hidden,
    )


def contract(min_psnr: float | None, max_refits: int | None) -> Contract | None:
    """The contract that the options of a command ask for, if they do.

    Raises:
        ConfigError: There are refits without a quality to reach, or an option is out of its range.
    """
    if min_psnr is None:
        if max_refits is not None:
            raise ConfigError("--max-refits: expected --min-psnr beside it, found none")
        return None
    return Contract(min_psnr) if max_refits is None else Contract(min_psnr, max_refits)
