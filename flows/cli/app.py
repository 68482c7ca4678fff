"""The command line, ``inr``. Declarations only: the work is imported by the command that needs it.

``inr --help`` must answer at once, so nothing imported at the top of this module may import torch,
Prefect, pyarrow, pydantic or Pillow; a test looks.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import exits
from flows.cli.options import (
    Deadline,
    Device,
    Json,
    MaxRefits,
    MinPsnr,
    Model,
    Preset,
    RdLambda,
    Runner,
    Seed,
    Source,
    Store,
    StoreOrSetting,
    TargetBpp,
    TargetPsnr,
    Workers,
    codec_config,
)
from inr import __version__
from inr.config import MODELS

app = typer.Typer(
    help="Photographs as small neural networks: encode, decode, inspect, and archive whole folders.",
    epilog=exits.EXPLAINED,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Photographs as small neural networks: encode, decode, inspect, and archive whole folders."""


@app.command(epilog=exits.EXPLAINED)
def encode(
    image: Annotated[Path, typer.Argument(help="The photograph.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The bitstream to write, FILE.inr.")],
    model: Model = "cnn",
    preset: Preset = "standard",
    rd_lambda: RdLambda = None,
    target_psnr: TargetPsnr = None,
    target_bpp: TargetBpp = None,
    seed: Seed = 0,
    device: Device = None,
    deadline: Deadline = None,
    as_json: Json = False,
) -> None:
    """Encode one image file."""
    with exits.told_in_one_line(as_json):
        config = codec_config(model, preset, rd_lambda, target_psnr, target_bpp, seed)
        from flows.cli.display import fit_bar, show_encoded
        from flows.cli.files import encode_file
        from tasks.settings import load_settings

        options = load_settings(device=device, deadline_seconds=deadline).options()
        with fit_bar(not as_json) as report:
            made = encode_file(image, output, config, options, report)
        _print(made) if as_json else show_encoded(made)


@app.command(epilog=exits.EXPLAINED)
def decode(
    bitstream: Annotated[Path, typer.Argument(help="The bitstream, FILE.inr.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The image to write, IMAGE.png.")],
    as_json: Json = False,
) -> None:
    """Decode a bitstream into a PNG with its ICC profile and EXIF."""
    with exits.told_in_one_line(as_json):
        from flows.cli.display import show_decoded
        from flows.cli.files import decode_file

        made = decode_file(bitstream, output)
        _print(made) if as_json else show_decoded(made)


@app.command(epilog=exits.EXPLAINED)
def inspect(
    bitstream: Annotated[Path, typer.Argument(help="The bitstream, FILE.inr.")],
    as_json: Json = False,
) -> None:
    """Show where the bits of a bitstream go, by section and by tensor."""
    with exits.told_in_one_line(as_json):
        from flows.cli.display import show_inspection
        from flows.cli.files import inspect_file

        found = inspect_file(bitstream)
        _print(found) if as_json else show_inspection(found)


@app.command(epilog=exits.EXPLAINED)
def compare(
    first: Annotated[Path, typer.Argument(help="The original, an image.")],
    second: Annotated[
        Path, typer.Argument(help="What to compare with it: an image, or a bitstream FILE.inr.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Picture to write, IMAGE.png: both, and their difference."),
    ] = None,
    gain: Annotated[int, typer.Option(min=1, max=255, help="How much the difference is amplified.")] = 8,
    as_json: Json = False,
) -> None:
    """Compare two images: PSNR, MS-SSIM, FLIP, sizes, and a picture of both side by side."""
    with exits.told_in_one_line(as_json):
        from flows.cli.compare import compare_files, show_compared
        from tasks.settings import load_settings

        made = compare_files(first, second, output, gain, load_settings().options())
        _print(made) if as_json else show_compared(made)


@app.command(epilog=exits.EXPLAINED)
def archive(
    source: Source,
    store: StoreOrSetting = None,
    model: Model = "cnn",
    preset: Preset = "standard",
    rd_lambda: RdLambda = None,
    target_psnr: TargetPsnr = None,
    target_bpp: TargetBpp = None,
    min_psnr: MinPsnr = None,
    max_refits: MaxRefits = 3,
    seed: Seed = 0,
    device: Device = None,
    deadline: Deadline = None,
    workers: Workers = None,
    runner: Runner = None,
    deployment: Annotated[
        str | None, typer.Option(help="Submit batches to this deployment, FLOW/NAME. [INR_DEPLOYMENT]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Archive every image of a folder that is not archived yet, and verify each from its stored bytes."""
    with exits.told_in_one_line(as_json):
        config = codec_config(model, preset, rd_lambda, target_psnr, target_bpp, seed)
        from flows.cli.running import quiet_prefect

        quiet_prefect()
        from flows.cli.display import show_places, show_run
        from flows.cli.running import location, places, run_archive
        from inr import Contract
        from tasks.report.summary import as_values
        from tasks.settings import load_settings

        settings = load_settings(
            device=device,
            deadline_seconds=deadline,
            workers=workers,
            runner=runner,
            deployment=deployment,
            store=None if store is None else location(store),
        )
        contract = None if min_psnr is None else Contract(min_psnr, max_refits)
        if dry_run:
            _show_plan(location(source), settings, config, contract, as_json)
            return
        summary = run_archive(location(source), settings, config, contract, bar=not as_json)
        found = places(summary)
        if as_json:
            _print({**as_values(summary), "places": found})
        else:
            show_run(summary)
            show_places(found)
        if summary.n_failed:
            raise typer.Exit(exits.IMAGES_FAILED)


@app.command(epilog=exits.EXPLAINED)
def plan(
    source: Source,
    store: StoreOrSetting = None,
    model: Model = "cnn",
    preset: Preset = "standard",
    rd_lambda: RdLambda = None,
    target_psnr: TargetPsnr = None,
    target_bpp: TargetBpp = None,
    min_psnr: MinPsnr = None,
    max_refits: MaxRefits = 3,
    seed: Seed = 0,
    device: Device = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Say what `archive` would do with the same words: images, pixels, and estimated hours and bytes."""
    archive(
        source=source,
        store=store,
        model=model,
        preset=preset,
        rd_lambda=rd_lambda,
        target_psnr=target_psnr,
        target_bpp=target_bpp,
        min_psnr=min_psnr,
        max_refits=max_refits,
        seed=seed,
        device=device,
        workers=workers,
        dry_run=True,
        as_json=as_json,
    )


@app.command(epilog=exits.EXPLAINED)
def sweep(
    source: Source,
    store: StoreOrSetting = None,
    rd_lambda: Annotated[list[float], typer.Option(help="λ to try; give it several times.")] = [],  # noqa: B006
    model: Annotated[
        list[str], typer.Option(help=f"Model families to try, of {', '.join(MODELS)}. [all]")
    ] = [],  # noqa: B006
    preset: Preset = "standard",
    sample: Annotated[int, typer.Option(min=1, help="So many images of the source.")] = 20,
    device: Device = None,
    workers: Workers = None,
    runner: Runner = None,
    as_json: Json = False,
) -> None:
    """Compare models and λ on a sample of a folder: the rate-distortion curve of this collection."""
    with exits.told_in_one_line(as_json):
        from flows.cli.running import quiet_prefect

        quiet_prefect()
        from flows.cli.display import show_sweep
        from flows.cli.running import location, run_sweep
        from tasks.settings import load_settings

        settings = load_settings(
            device=device,
            workers=workers,
            runner=runner,
            store=None if store is None else location(store),
        )
        report = run_sweep(
            location(source), settings, model or None, preset, rd_lambda, sample, bar=not as_json
        )
        _print(report.as_values()) if as_json else show_sweep(report)
        if report.n_failed:
            raise typer.Exit(exits.IMAGES_FAILED)


@app.command(epilog=exits.EXPLAINED)
def query(
    store: Store,
    sql: Annotated[str, typer.Argument(help="SQL over the tables images, all_images, history and audits.")],
    as_json: Json = False,
) -> None:
    """Ask the catalogue of an archive, in SQL: "select model, avg(psnr_db) from images group by 1"."""
    with exits.told_in_one_line(as_json):
        from flows.cli.display import show_answer
        from flows.cli.running import location
        from tasks.catalogue.query import query as ask
        from tasks.store.locations import open_store

        answer = ask(open_store(location(store)), sql)
        _print({"columns": answer.columns, "rows": answer.rows}) if as_json else show_answer(answer)


@app.command(epilog=exits.EXPLAINED)
def report(
    store: Store,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write, REPORT.html.")],
    worst: Annotated[
        int, typer.Option(min=0, max=100, help="So many images with the smallest PSNR are shown.")
    ] = 20,
    run: Annotated[str | None, typer.Option(help="Only the rows that this run wrote, by its id.")] = None,
    as_json: Json = False,
) -> None:
    """Report on an archive in one HTML file that needs no network: totals, charts, worst images, failures."""
    with exits.told_in_one_line(as_json):
        from flows.cli.display import show_report
        from flows.cli.report import report_file
        from flows.cli.running import location

        made = report_file(location(store), output, worst, run)
        _print(made) if as_json else show_report(made)


@app.command(epilog=exits.EXPLAINED)
def verify(
    store: Store,
    sample: Annotated[int | None, typer.Option(min=1, help="So many bitstreams at random. [all]")] = None,
    unread_days: Annotated[
        float | None, typer.Option(min=0, help="Only what was not verified or audited for so many days.")
    ] = None,
    workers: Workers = None,
    runner: Runner = None,
    as_json: Json = False,
) -> None:
    """Read and decode what an archive stores, compare it with the records, and record what was found."""
    with exits.told_in_one_line(as_json):
        from flows.cli.running import quiet_prefect

        quiet_prefect()
        import dataclasses

        from flows.cli.display import show_audit
        from flows.cli.running import location, run_verify
        from tasks.settings import load_settings

        settings = load_settings(workers=workers, runner=runner)
        summary = run_verify(location(store), sample, unread_days, settings, bar=not as_json)
        _print(dataclasses.asdict(summary)) if as_json else show_audit(summary)
        if summary.n_failed:
            raise typer.Exit(exits.IMAGES_FAILED)


@app.command(epilog=exits.EXPLAINED)
def restore(
    store: Store,
    target: Annotated[str, typer.Argument(help="The folder to write into. Nothing in it is replaced.")],
    where: Annotated[
        str, typer.Option(help="Which images: a condition in SQL on the columns of images.")
    ] = "true",
    format_: Annotated[str, typer.Option("--format", help="png or webp (lossless).")] = "png",
    workers: Workers = None,
    runner: Runner = None,
    as_json: Json = False,
) -> None:
    """Write archived images as lossless files, each compared with its record on the way."""
    with exits.told_in_one_line(as_json):
        from flows.cli.running import quiet_prefect

        quiet_prefect()
        import dataclasses

        from flows.cli.display import show_restored
        from flows.cli.running import location, run_restore
        from tasks.settings import load_settings

        settings = load_settings(workers=workers, runner=runner)
        summary = run_restore(location(store), location(target), where, format_, settings, bar=not as_json)
        _print(dataclasses.asdict(summary)) if as_json else show_restored(summary)
        if summary.n_failed:
            raise typer.Exit(exits.IMAGES_FAILED)


@app.command(epilog=exits.EXPLAINED)
def compact(
    store: Store,
    as_json: Json = False,
) -> None:
    """Make one Parquet part of the many of each day; archives and queries may run meanwhile."""
    with exits.told_in_one_line(as_json):
        from flows.cli.running import quiet_prefect

        quiet_prefect()
        import dataclasses

        from flows.cli.display import show_compacted
        from flows.cli.running import location, run_compact

        summary = run_compact(location(store))
        _print(dataclasses.asdict(summary)) if as_json else show_compacted(summary)
        if summary.n_failed:
            raise typer.Exit(exits.IMAGES_FAILED)


def _show_plan(source: str, settings: Any, config: Any, contract: Any, as_json: bool) -> None:
    import dataclasses

    from flows.cli.display import show_estimate
    from flows.cli.running import run_plan

    found = run_plan(source, settings, config, contract)
    _print(dataclasses.asdict(found)) if as_json else show_estimate(found)


def _print(values: dict[str, Any]) -> None:
    from flows.cli.files import finite

    typer.echo(json.dumps(finite(values), indent=2, allow_nan=False, default=str))
