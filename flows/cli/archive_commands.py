"""The commands of ``inr`` that archive a source, or plan to: archive, plan, sweep.

As light as `flows.cli.app`.
"""

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import (
    DEFAULTS,
    Deadline,
    Device,
    Exclude,
    ExpectAtLeast,
    Hidden,
    Hours,
    Include,
    Json,
    MaxRefits,
    MinPsnr,
    Model,
    Preset,
    PresetOrTime,
    RdLambda,
    RetryBad,
    Runner,
    SecondsPerImage,
    Seed,
    Source,
    StoreOrSetting,
    TargetBpp,
    TargetPsnr,
    Workers,
    check_length,
    codec_config,
    contract,
)
from flows.cli.running import concluded, in_unicode, location, named_store, places, started
from flows.engine.handing import Purpose, handing
from inr.config import MODELS
from tasks.originals.patterns import Patterns

if TYPE_CHECKING:
    from tasks.catalogue.recipe import Recipe
    from tasks.plan.machine import Machine
    from tasks.plan.planning import Plan
    from tasks.report.summary import RunSummary
    from tasks.settings import RunOptions
    from tasks.store.objects import ObjectStore


def archive(
    source: Source,
    store: StoreOrSetting = None,
    model: Model = DEFAULTS.model,
    preset: PresetOrTime = None,
    seconds_per_image: SecondsPerImage = None,
    hours: Hours = None,
    rd_lambda: RdLambda = None,
    target_psnr: TargetPsnr = None,
    target_bpp: TargetBpp = None,
    min_psnr: MinPsnr = None,
    max_refits: MaxRefits = None,
    seed: Seed = DEFAULTS.seed,
    hidden: Hidden = DEFAULTS.hidden,
    device: Device = None,
    deadline: Deadline = None,
    workers: Workers = None,
    runner: Runner = None,
    deployment: Annotated[
        str | None, typer.Option(help="Submit batches to this deployment, FLOW/NAME. [INR_DEPLOYMENT]")
    ] = None,
    include: Include = [],  # noqa: B006  as Typer has lists
    exclude: Exclude = [],  # noqa: B006
    retry_bad: RetryBad = False,
    expect_at_least: ExpectAtLeast = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Archive every image of a folder that is not archived yet, and verify each from its stored bytes."""
    check_length(preset, seconds_per_image, hours)
    config = codec_config(model, preset, rd_lambda, target_psnr, target_bpp, seed, hidden)
    from tasks.catalogue.recipe import Recipe
    from tasks.settings import load_settings

    settings = load_settings(
        device=device,
        deadline_seconds=deadline,
        workers=workers,
        runner=runner,
        deployment=deployment,
        store=None if store is None else location(store),
    )
    recipe = Recipe(config, contract(min_psnr, max_refits), None, seconds_per_image, hours is not None)
    patterns = Patterns(tuple(map(in_unicode, include)), tuple(map(in_unicode, exclude)))
    where = location(source), named_store(settings)
    wanted = _Wanted(*where, recipe, settings.options(), hours, patterns, retry_bad, expect_at_least)
    if dry_run:
        _estimate(wanted, as_json)
    else:
        concluded(_archived(wanted, bar=not as_json), _values, _show, as_json)


def plan(
    source: Source,
    store: StoreOrSetting = None,
    model: Model = DEFAULTS.model,
    preset: PresetOrTime = None,
    seconds_per_image: SecondsPerImage = None,
    hours: Hours = None,
    rd_lambda: RdLambda = None,
    target_psnr: TargetPsnr = None,
    target_bpp: TargetBpp = None,
    min_psnr: MinPsnr = None,
    max_refits: MaxRefits = None,
    seed: Seed = DEFAULTS.seed,
    hidden: Hidden = DEFAULTS.hidden,
    device: Device = None,
    workers: Workers = None,
    include: Include = [],  # noqa: B006
    exclude: Exclude = [],  # noqa: B006
    retry_bad: RetryBad = False,
    expect_at_least: ExpectAtLeast = 0,
    as_json: Json = False,
) -> None:
    """Say what `archive` would do: images, pixels, and estimated hours and bytes.

    `archive --dry-run` says the same, and takes every option of `archive`.
    """
    archive(
        source=source,
        store=store,
        model=model,
        preset=preset,
        seconds_per_image=seconds_per_image,
        hours=hours,
        rd_lambda=rd_lambda,
        target_psnr=target_psnr,
        target_bpp=target_bpp,
        min_psnr=min_psnr,
        max_refits=max_refits,
        seed=seed,
        hidden=hidden,
        device=device,
        workers=workers,
        include=include,
        exclude=exclude,
        retry_bad=retry_bad,
        expect_at_least=expect_at_least,
        dry_run=True,
        as_json=as_json,
    )


def sweep(
    source: Source,
    rd_lambda: Annotated[
        list[float], typer.Option(help="λ to try: one or more, each with an option of its own.")
    ],
    store: StoreOrSetting = None,
    model: Annotated[
        list[str],
        typer.Option(
            help=f"Model families to try, of {', '.join(MODELS)}; all of them if none is given. "
            "May be given several times."
        ),
    ] = [],  # noqa: B006
    preset: Preset = DEFAULTS.preset,
    sample: Annotated[int | None, typer.Option(min=1, help="So many images of the source. [20]")] = None,
    device: Device = None,
    workers: Workers = None,
    runner: Runner = None,
    as_json: Json = False,
) -> None:
    """Compare models and λ on a sample of a folder: the rate-distortion curve of this collection."""
    from flows.cli.display import show_sweep
    from tasks.report.sweep import DEFAULT_SAMPLE, SweepReport, configs_of, sample_images
    from tasks.settings import load_settings
    from tasks.store.locations import open_store

    place = None if store is None else location(store)
    settings = load_settings(device=device, workers=workers, runner=runner, store=place)
    origin, options = location(source), settings.options()
    # Refused here, in a moment, is what the flow would refuse once Prefect's server is up.
    target = open_store(named_store(settings)).url
    configs_of(model, preset, rd_lambda)
    sample_images(origin, 1, options)

    def in_a_flow() -> Any:
        from flows.sweep import sweep as flow

        return flow(origin, target, rd_lambda, model or None, preset, sample or DEFAULT_SAMPLE, options)

    concluded(
        started(in_a_flow, module="flows.sweep", bar=not as_json), SweepReport.as_values, show_sweep, as_json
    )


def worker(
    pool: Annotated[str, typer.Argument(help="The pool, for example inr-workers.")],
    name: Annotated[str | None, typer.Option(help="Name of the worker, its own in the pool.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds that runs have to end in, once it is told to stop.")
    ] = 90.0,
    with_healthcheck: Annotated[
        bool, typer.Option("--with-healthcheck", help="Answer on port 8080 whether it asks for runs.")
    ] = False,
) -> None:
    """Do the runs of a Prefect work pool; told to stop, hand back what is not begun and end the rest."""
    from flows.engine.embedded import SILENT

    os.environ.update(SILENT)  # before Prefect is imported
    from flows.worker import work

    work(pool, name, limit, grace, with_healthcheck=with_healthcheck)


@dataclass(frozen=True)
class _Wanted:
    """The images that a command is to archive, where, and how."""

    source: str
    store: str
    recipe: "Recipe"
    options: "RunOptions"
    hours: float | None
    patterns: Patterns
    retry_bad: bool
    expect_at_least: int


def _planned(wanted: _Wanted, *, with_sizes: bool = False) -> "tuple[ObjectStore, Purpose, Plan]":
    """The store, and the plan with what it is made for; with the sizes of images, if they are wanted."""
    from tasks.store.locations import open_store

    target = open_store(wanted.store)
    digest = wanted.recipe.archive_digest()
    asked = wanted.patterns, wanted.retry_bad, wanted.expect_at_least
    purpose = Purpose(wanted.source, target.url, digest, *asked)
    return target, purpose, purpose.plan(target, wanted.options, with_sizes=with_sizes)


def _estimate(wanted: _Wanted, as_json: bool) -> None:
    """Show what archiving would take. Writes nothing and starts no flow."""
    from flows.cli.display import show_estimate
    from flows.cli.printing import show_json
    from flows.engine.cores import fits_on_card, n_fits
    from tasks.plan.estimate import estimate

    def machine() -> "Machine":
        from flows.rates import rates_here  # measures for some seconds where nothing of today is kept

        return rates_here(wanted.recipe.config, wanted.options)

    target, _, plan = _planned(wanted, with_sizes=True)
    at_once = n_fits(wanted.options, on_card=fits_on_card(wanted.options))
    found = estimate(plan, target, wanted.recipe, at_once, hours=wanted.hours, machine=machine)
    show_json(asdict(found)) if as_json else show_estimate(found)


def _archived(wanted: _Wanted, *, bar: bool) -> "RunSummary":
    """The summary of a run; where there is nothing to do the flow is not started."""
    from tasks.report.summary import RunSummary

    target, purpose, plan = _planned(wanted, with_sizes=wanted.recipe.in_hours)
    if plan.n_to_do == 0:
        from tasks.steps.commit import rename

        rename(target, purpose.archive_digest, plan.renamed)
        return RunSummary.of(plan, wanted.source, target.url, wanted.recipe)

    def in_a_flow() -> Any:
        from flows.archive import archive as flow

        recipe = wanted.recipe
        given = (wanted.source, wanted.store, recipe.config, wanted.options, recipe.contract, recipe.n_steps)
        include, exclude = map(list, (wanted.patterns.include, wanted.patterns.exclude))
        asked = include, exclude, wanted.retry_bad, wanted.expect_at_least
        return flow(*given, recipe.seconds_per_image, wanted.hours, *asked)

    with handing(purpose, plan):
        summary: RunSummary = started(in_a_flow, module="flows.archive", bar=bar)
    return summary


def _values(summary: "RunSummary") -> dict[str, object]:
    from tasks.report.summary import as_values

    return {**as_values(summary), "places": places(summary)}


def _show(summary: "RunSummary") -> None:
    from flows.cli.display import show_places, show_run

    show_run(summary)
    show_places(places(summary))
