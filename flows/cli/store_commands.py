"""The commands of ``inr`` on an archive that is there: query, report, verify, restore, compact.

As light as `flows.cli.app`.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, cast

import typer

from flows.cli.options import Json, Runner, Store, Workers
from flows.cli.running import concluded, location, started
from inr.errors import ConfigError


def query(
    store: Store,
    sql: Annotated[str, typer.Argument(help="SQL over the tables images, all_images, history and audits.")],
    as_json: Json = False,
) -> None:
    """Ask the catalogue of an archive, in SQL: "select model, avg(psnr_db) from images group by 1"."""
    from flows.cli.display import show_answer
    from flows.cli.printing import show_json
    from tasks.catalogue.lookup import open_archive
    from tasks.catalogue.query import query as ask

    answer = ask(open_archive(location(store)), sql)
    show_json({"columns": answer.columns, "rows": answer.rows}) if as_json else show_answer(answer)


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
    from flows.cli.file_display import show_report
    from flows.cli.files import report_file
    from flows.cli.printing import show_json

    made = report_file(location(store), output, worst, run)
    show_json(made) if as_json else show_report(made)


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
    from flows.cli.display import show_audit
    from tasks.catalogue.lookup import open_archive
    from tasks.settings import load_settings
    from tasks.steps.audit import AuditSummary

    place, options = location(store), load_settings(workers=workers, runner=runner).options()
    open_archive(place)  # refused before a flow starts, of which a URL with credentials would be a parameter
    from flows.verify import verify as flow

    summary: AuditSummary = started(lambda: flow(place, sample, unread_days, options), bar=not as_json)
    concluded(summary, dataclasses.asdict, show_audit, as_json)


def restore(
    store: Store,
    target: Annotated[str, typer.Argument(help="The folder to write into. Nothing in it is replaced.")],
    where: Annotated[
        str, typer.Option(help="Which images: a condition in SQL on the columns of images.")
    ] = "true",
    format_: Annotated[str, typer.Option("--format", help="png or webp (lossless).")] = "png",
    all_versions: Annotated[
        bool, typer.Option("--all-versions", help="Every version of a photograph, not only the latest.")
    ] = False,
    workers: Workers = None,
    runner: Runner = None,
    as_json: Json = False,
) -> None:
    """Write archived images as lossless files, each compared with its record on the way."""
    from flows.cli.display import show_restored
    from tasks.catalogue.lookup import open_archive
    from tasks.originals.writing import FORMATS
    from tasks.plan.restoring import plan_restore
    from tasks.settings import load_settings
    from tasks.steps.restore import Format, RestoreSummary
    from tasks.store.locations import local_path

    place, folder = location(store), location(target)
    options = load_settings(workers=workers, runner=runner).options()
    if format_ not in FORMATS:
        raise ConfigError(f"format: expected {' or '.join(FORMATS)}, found {format_!r}")
    local_path(folder)
    summary = RestoreSummary("", place, folder)
    if plan_restore(open_archive(place), where, f".{format_}", all_versions=all_versions):
        from flows.restore import restore as flow

        kind = cast("Format", format_)
        summary = started(lambda: flow(place, folder, where, kind, options, all_versions), bar=not as_json)
    concluded(summary, dataclasses.asdict, show_restored, as_json)


def compact(store: Store, as_json: Json = False) -> None:
    """Make one Parquet part of the many of each day; archives and queries may run meanwhile."""
    from flows.cli.display import show_compacted
    from tasks.catalogue.lookup import open_archive
    from tasks.steps.compact import CompactSummary, plan_compaction

    place = location(store)
    summary = CompactSummary("", place)
    if plan_compaction(open_archive(place)):
        from flows.compact import compact as flow

        summary = started(lambda: flow(place), bar=False)
    concluded(summary, dataclasses.asdict, show_compacted, as_json)
