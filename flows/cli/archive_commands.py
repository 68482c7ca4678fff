"""The commands of ``inr`` that archive a source, or plan to: archive, plan, sweep.

As light as `flows.cli.app`.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import (
    DEFAULTS,
    Deadline,
    Device,
    Hidden,
    Hours,
    Json,
    MaxRefits,
    MinPsnr,
    Model,
    Preset,
    PresetOrTime,
    RdLambda,
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
)
from flows.cli.running import concluded, location, named_store, places, started
from flows.engine.handing import Purpose, handing
from inr.config import MODELS, Contract

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
    max_refits: MaxRefits = Contract.max_refits,
    seed: Seed = DEFAULTS.seed,
    hidden: Hidden = DEFAULTS.hidden,
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
    contract = None if min_psnr is None else Contract(min_psnr, max_refits)
    recipe = Recipe(config, contract, None, seconds_per_image, hours is not None)
    wanted = _Wanted(location(source), named_store(settings), recipe, settings.options(), hours)
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
    max_refits: MaxRefits = Contract.max_refits,
    seed: Seed = DEFAULTS.seed,
    hidden: Hidden = DEFAULTS.hidden,
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
        dry_run=True,
        as_json=as_json,
    )


def sweep(
    source: Source,
    store: StoreOrSetting = None,
    rd_lambda: Annotated[list[float], typer.Option(help="λ to try; give it several times.")] = [],  # noqa: B006
    model: Annotated[
        list[str], typer.Option(help=f"Model families to try, of {', '.join(MODELS)}. [all]")
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

    concluded(started(in_a_flow, bar=not as_json), SweepReport.as_values, show_sweep, as_json)


@dataclass(frozen=True)
class _Wanted:
    """The images that a command is to archive, where, and how."""

    source: str
    store: str
    recipe: "Recipe"
    options: "RunOptions"
    hours: float | None


def _planned(wanted: _Wanted, *, with_sizes: bool = False) -> "tuple[ObjectStore, Purpose, Plan]":
    """The store, and the plan with what it is made for; with the sizes of images, if they are wanted."""
    from tasks.plan.planning import make_plan
    from tasks.store.locations import open_store

    target = open_store(wanted.store)
    purpose = Purpose(wanted.source, target.url, wanted.recipe.archive_digest())
    plan = make_plan(wanted.source, target, purpose.archive_digest, wanted.options, with_sizes=with_sizes)
    return target, purpose, plan


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
        how = wanted.recipe.describe()
        return RunSummary("", wanted.source, target.url, how, plan.describe(), n_before=plan.n_archived)

    def in_a_flow() -> Any:
        from flows.archive import archive as flow

        recipe = wanted.recipe
        given = (wanted.source, wanted.store, recipe.config, wanted.options, recipe.contract, recipe.n_steps)
        return flow(*given, recipe.seconds_per_image, wanted.hours)

    with handing(purpose, plan):
        summary: RunSummary = started(in_a_flow, bar=bar)
    return summary


def _values(summary: "RunSummary") -> dict[str, object]:
    from tasks.report.summary import as_values

    return {**as_values(summary), "places": places(summary)}


def _show(summary: "RunSummary") -> None:
    from flows.cli.display import show_places, show_run

    show_run(summary)
    show_places(places(summary))
