"""The flow ``sweep``: a sample of a source under several models and λ, and the RD curve of it."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from pydantic import Field

from flows.engine import artifacts
from flows.engine.images import Work, archive_all, new_job
from flows.engine.interrupts import handing_back
from flows.engine.runs import Run, begin, ended, tag
from inr import CodecConfig
from inr.config import MODELS, PRESETS
from tasks.catalogue import lookup
from tasks.catalogue.recipe import Recipe
from tasks.originals.listing import SourceImage
from tasks.plan.planning import KnownBad, archived_of
from tasks.report.artifact import sweep_page
from tasks.report.summary import RunSummary
from tasks.report.sweep import DEFAULT_SAMPLE, SweepReport, configs_of, rd_points, sample_images, store_sweep
from tasks.settings import RunOptions
from tasks.steps.storing import carry
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore, patient
from tasks.store.promises import require_promises
from tasks.wording import counted


def run_name() -> str:
    """The name of a run in Prefect's lists: what it compares."""
    given = flow_run.parameters
    lambdas = ", ".join(f"{rd_lambda:g}" for rd_lambda in given["rd_lambdas"])
    return f"sweep {given.get('sample', DEFAULT_SAMPLE)} of {given['source']} at λ = {lambdas}"


@flow(name="sweep", flow_run_name=run_name)
def sweep(
    source: str,
    store: str,
    rd_lambdas: list[float],
    models: list[Annotated[str, Field(json_schema_extra={"enum": list(MODELS)})]] | None = None,
    preset: Annotated[str, Field(json_schema_extra={"enum": list(PRESETS)})] = "standard",
    sample: int = DEFAULT_SAMPLE,
    options: RunOptions | None = None,
) -> Any:  # SweepReport, or a failed state; Prefect unwraps the state before the caller sees it
    """Archive a sample of a source under every setting that is not in the store yet, and compare them.

    Args:
        source: See `flows.archive`.
        store: See `flows.archive`; the rows and bitstreams are those of an archive.
        rd_lambdas: λ to try.
        models: Model families to try; all there are if not given.
        preset: Length of a fit, one of `config.PRESETS`.
        sample: So many images; all if there are fewer.
        options: The way of working; what they do not say, the settings of the environment do.

    Returns:
        The `SweepReport`, where every image that is no bad one was archived under every setting.

    Raises:
        ImagesFailed: Some were not; carries the report.
        ConfigError, CatalogueError, StorageError: A setting, source or store cannot be used.
    """
    run, configs = begin(options), configs_of(models, preset, rd_lambdas)
    with handing_back(), patient(run.options.outage_seconds):
        return _swept(run, source, open_store(store), configs, preset, sample)


def _swept(
    run: Run, source: str, target: ObjectStore, configs: Sequence[CodecConfig], preset: str, sample: int
) -> Any:
    """The end of the flow, as it returns it."""
    require_promises(target)
    models = sorted({config.model for config in configs})
    tag([*(f"model:{model}" for model in models), f"preset:{preset}", f"store:{target.url}"])
    target.clean()
    carry(target)
    images = sample_images(source, sample, run.options)
    how = f"{preset}; {counted(len(configs), 'setting')}"
    summary = RunSummary(run.run_id, source, target.url, how, "")
    work = list(_work(run, target, images, configs, summary))
    summary.n_planned = len(work)
    summary.plan = f"{counted(len(work), 'fit')} of {counted(len(images), 'image')}"
    get_run_logger().info("%s under %s", summary.plan, counted(len(configs), "setting"))
    archive_all(run, work, summary)
    report = SweepReport(summary, len(images), rd_points(target, images, configs))
    store_sweep(target, report)
    return ended(report, sweep_page(report), artifacts.images(summary))


def _work(
    run: Run,
    store: ObjectStore,
    images: Sequence[SourceImage],
    configs: Sequence[CodecConfig],
    summary: RunSummary,
) -> Iterator[Work]:
    """Every image, setting by setting, as a card has them; what is archived, or known as bad, is counted."""
    known = {config: lookup.known(store, Recipe(config).archive_digest()) for config in configs}
    done = {config: archived_of(store, known[config]) for config in configs}
    jobs = {config: new_job(run, store.url, Recipe(config)) for config in configs}
    for config in configs:
        for image in images:
            if image.digest in done[config]:
                summary.n_before += 1
            elif bad := known[config].bad_images.get(image.digest):
                summary.n_known_bad += 1
                summary.known_bad.append((image.path, KnownBad.of(image.path, bad).describe()))
            else:
                yield image, jobs[config]
