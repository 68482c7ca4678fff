"""Commands around their flows: Prefect kept quiet, no server where nothing is to do."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from inr.config import CodecConfig
from inr.errors import ConfigError
from tasks.errors import ImagesFailed
from tasks.report.summary import RunSummary

if TYPE_CHECKING:
    from inr import Contract
    from tasks.plan.estimate import Estimate
    from tasks.report.sweep import SweepReport
    from tasks.settings import Settings
    from tasks.steps.audit import AuditSummary
    from tasks.steps.compact import CompactSummary
    from tasks.steps.restore import Format, RestoreSummary

QUIET = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # its own 20 s is short on a busy machine
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # Prefect's server keeps the log of each run; the terminal is ours.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}


def quiet_prefect() -> None:
    """Set Prefect's environment where the user has not; takes effect before Prefect is imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def run_archive(
    source: str,
    settings: "Settings",
    config: CodecConfig,
    contract: "Contract | None" = None,
    *,
    bar: bool,
) -> RunSummary:
    """Archive a source as `flows.archive` does, with a progress bar on a terminal.

    Where there is nothing to do the flow is not started: the plan is read from the store in a
    moment, and Prefect's own server takes many seconds to start.

    Returns:
        What was done; images that failed are counted in it.

    Raises:
        ConfigError: The source, the store or a setting.
        CatalogueError, StorageError: The store.
    """
    store = _named_store(settings)
    if (idle := _nothing_to_do(source, store, settings, config, contract)) is not None:
        return idle

    def run() -> Any:
        from flows.archive import archive

        return archive(source, store, config, settings.options(), contract)

    return cast(RunSummary, _watched(run, bar))


def run_plan(
    source: str, settings: "Settings", config: CodecConfig, contract: "Contract | None" = None
) -> "Estimate":
    """What `run_archive` would do, and what it would take. Writes nothing and starts no flow.

    Raises:
        ConfigError: The source, the store or a setting.
        CatalogueError, StorageError: The store.
    """
    from flows.engine.workers import n_workers
    from tasks.catalogue.recipe import Recipe
    from tasks.plan.estimate import estimate
    from tasks.plan.planning import make_plan
    from tasks.store.locations import open_store

    target = open_store(_named_store(settings))
    options = settings.options()
    digest = Recipe(config, contract).archive_digest()
    plan = make_plan(source, target, digest, options, with_sizes=True)
    return estimate(plan, target, config, n_workers(options))


def run_sweep(
    source: str,
    settings: "Settings",
    models: list[str] | None,
    preset: str,
    rd_lambdas: list[float],
    sample: int,
    *,
    bar: bool,
) -> "SweepReport":
    """Compare settings on a sample of a source as `flows.sweep` does.

    Returns:
        What was measured; images that failed are counted in it.

    Raises:
        ConfigError: The source, the store or a setting.
        CatalogueError, StorageError: The store.
    """
    from tasks.report.sweep import configs_of, sample_images
    from tasks.store.locations import open_store

    # Refused here, in a moment, is what the flow would refuse once Prefect's server is up.
    store = open_store(_named_store(settings)).url
    configs_of(models, preset, rd_lambdas)
    sample_images(source, 1, settings.options())

    def run() -> Any:
        from flows.sweep import sweep

        return sweep(source, store, rd_lambdas, models, preset, sample, settings.options())

    return cast("SweepReport", _watched(run, bar))


def run_restore(
    store: str, target: str, where: str, format_: str, settings: "Settings", *, bar: bool
) -> "RestoreSummary":
    """Restore from a store as `flows.restore` does; where nothing is selected the flow is not started.

    Returns:
        What was done; images that failed are counted in it.

    Raises:
        ConfigError: The store, the predicate or a setting.
        CatalogueError, StorageError: The store.
    """
    from tasks.originals.writing import FORMATS
    from tasks.steps.restore import RestoreSummary, select
    from tasks.store.locations import open_store

    if format_ not in FORMATS:
        raise ConfigError(f"format: expected {' or '.join(FORMATS)}, found {format_!r}")
    if not select(open_store(store), where):
        return RestoreSummary("", store, target)

    def run() -> Any:
        from flows.restore import restore

        return restore(store, target, where, cast("Format", format_), settings.options())

    return cast(RestoreSummary, _watched(run, bar))


def run_verify(
    store: str, sample: int | None, unread_days: float | None, settings: "Settings", *, bar: bool
) -> "AuditSummary":
    """Audit a store as `flows.verify` does.

    Returns:
        What was found; bitstreams that are not intact are counted in it.

    Raises:
        ConfigError: The store or a setting.
        CatalogueError, StorageError: The store.
    """
    from tasks.store.locations import open_store

    open_store(store)  # refuses a URL with credentials before it can become a parameter of a run

    def run() -> Any:
        from flows.verify import verify

        return verify(store, sample, unread_days, settings.options())

    return cast("AuditSummary", _watched(run, bar))


def run_compact(store: str) -> "CompactSummary":
    """Compact a catalogue as `flows.compact` does; where no day has many parts the flow is not started.

    Returns:
        What was done; days that failed are counted in it.

    Raises:
        ConfigError: The store.
        StorageError: The store.
    """
    from tasks.steps.compact import CompactSummary, plan_compaction
    from tasks.store.locations import open_store

    if not plan_compaction(open_store(store)):
        return CompactSummary("", store)

    def run() -> Any:
        from flows.compact import compact

        return compact(store)

    return cast(CompactSummary, _watched(run, bar=False))


def _watched(run: Callable[[], Any], bar: bool) -> Any:
    """The summary of a flow, with a progress bar on a terminal; also that of a flow with failures."""
    from flows.cli.display import run_bar
    from flows.engine.embedded import embedded_server
    from flows.engine.listening import listening

    with run_bar(bar) as listener, embedded_server(), listening(listener):
        try:
            return run()
        except ImagesFailed as failure:
            return failure.summary


def _named_store(settings: "Settings") -> str:
    if settings.store is None:
        raise ConfigError("store: expected a folder, as the second argument or as INR_STORE, found none")
    return settings.store


def location(path: str) -> str:
    """A path as a parameter of a flow: itself, or its URI where it is not Unicode text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return Path(path).absolute().as_uri()
    return path


def places(summary: RunSummary) -> dict[str, str]:
    """Where to find what a run left."""
    found = {"catalogue": f"{summary.store}/catalogue/images/*.parquet"}
    if summary.n_planned == 0:
        return found
    found["report"] = f"{summary.store}/reports/{summary.run_id}.html"
    page = f"runs/flow-run/{summary.run_id}"
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    if PREFECT_API_URL.value():
        found["Prefect UI"] = f"{PREFECT_UI_URL.value()}/{page}"
    else:
        command = Path(sys.executable).with_name("prefect")
        found["Prefect UI"] = f"{command} server start, then http://127.0.0.1:4200/{page}"
    return found


def _nothing_to_do(
    source: str, store: str, settings: "Settings", config: CodecConfig, contract: "Contract | None"
) -> RunSummary | None:
    """The summary of a run with nothing to do, or None if there is something."""
    from tasks.catalogue.recipe import Recipe
    from tasks.originals.listing import list_source
    from tasks.plan.planning import make_plan
    from tasks.store.locations import open_store

    target, recipe = open_store(store), Recipe(config, contract)
    if list_source(source).files and not target.objects("catalogue"):
        return None
    plan = make_plan(source, target, recipe.archive_digest(), settings.options())
    if plan.n_to_do:
        return None
    return RunSummary("", source, target.url, recipe.describe(), plan.describe(), n_before=plan.n_archived)
