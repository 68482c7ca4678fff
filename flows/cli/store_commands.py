"""The commands of ``inr`` on a store that is there: query, report, verify, restore, compact, check, prune.

As light as `flows.cli.app`.
"""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from flows.cli import exits
from flows.cli.options import Json, Output, Runner, Store, Workers
from flows.cli.running import concluded, either, in_unicode, location, started
from inr.errors import ConfigError

MOST_DAYS = 36_500  # a hundred years: a calendar ends somewhere, and time before its first day is an error

if TYPE_CHECKING:
    from tasks.steps.audit import AuditSummary


def query(
    store: Store,
    sql: Annotated[str, typer.Argument(help="SQL over the tables images, all_images, history and audits.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV and nothing else.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the catalogue of an archive, in SQL: "select model, avg(psnr_db) from images group by 1"."""
    from flows.cli.display import show_answer
    from flows.cli.printing import csv_lines, show_json
    from tasks.catalogue.lookup import open_archive
    from tasks.catalogue.query import query as ask

    if as_csv and as_json:
        raise ConfigError("expected at most one of --csv and --json, found both")
    answer = ask(open_archive(location(store)), in_unicode(sql))
    if as_csv:
        csv_lines(answer.columns, answer.rows)
    elif as_json:
        show_json({"columns": answer.columns, "rows": answer.rows})
    else:
        show_answer(answer)


def report(
    store: Store,
    output: Output,
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
    sample: Annotated[
        int | None, typer.Option(min=1, help="So many bitstreams at random; all if not given.")
    ] = None,
    unread_days: Annotated[
        float | None,
        typer.Option(min=0, max=MOST_DAYS, help="Only what was not verified or audited for so many days."),
    ] = None,
    workers: Workers = None,
    runner: Runner = None,
    as_json: Json = False,
) -> None:
    """Read and decode what an archive stores, compare it with the records, and record what was found."""
    from flows.cli.display import show_audit
    from tasks.catalogue.lookup import open_archive
    from tasks.settings import load_settings

    place, options = location(store), load_settings(workers=workers, runner=runner).options()
    target = open_archive(place)  # refused before a URL with credentials can become a parameter of a run

    def in_a_flow() -> Any:
        from flows.verify import verify as flow

        return flow(place, sample, unread_days, options)

    def plainly() -> "AuditSummary":
        from flows.auditing import audit_all
        from flows.engine.plain import begin_plainly
        from tasks.steps.audit import AuditSummary, plan_audit

        run, plan = begin_plainly(options), plan_audit(target, sample=sample, unread_days=unread_days)
        found = AuditSummary(run.run_id, target.url, len(plan.records), plan.n_archived)
        audit_all(run, plan, found)
        return found

    summary = either(in_a_flow, plainly, options, module="flows.verify", bar=not as_json)
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
    best: Annotated[
        bool,
        typer.Option("--best", help="Of several settings the highest PSNR, not what was verified last."),
    ] = False,
    workers: Workers = None,
    runner: Runner = None,
    as_json: Json = False,
) -> None:
    """Write archived images as lossless files, each compared with its record on the way."""
    from flows.cli.display import show_restored
    from tasks.catalogue.lookup import open_archive
    from tasks.originals.writing import FORMATS
    from tasks.plan.restoring import check_target, plan_restore
    from tasks.settings import load_settings
    from tasks.steps.restore import Format, RestoreSummary

    place, folder, where = location(store), location(target), in_unicode(where)
    options = load_settings(workers=workers, runner=runner).options()
    if format_ not in FORMATS:
        raise ConfigError(f"format: expected {' or '.join(FORMATS)}, found {format_!r}")
    check_target(folder)
    source, kind = open_archive(place), cast("Format", format_)

    def in_a_flow() -> Any:
        from flows.restore import restore as flow

        return flow(place, folder, where, kind, options, all_versions, best)

    def plainly() -> RestoreSummary:
        from flows.engine.plain import begin_plainly
        from flows.restoring import restore_all

        run = begin_plainly(options)
        done = RestoreSummary(run.run_id, source.url, folder, len(wanted))
        restore_all(run, wanted, kind, done)
        return done

    summary = RestoreSummary("", place, folder)
    wanted = plan_restore(source, where, f".{format_}", all_versions=all_versions, best=best)
    if wanted:
        summary = either(in_a_flow, plainly, options, module="flows.restore", bar=not as_json)
    concluded(summary, dataclasses.asdict, show_restored, as_json)


def compact(store: Store, as_json: Json = False) -> None:
    """Make one Parquet part of the many of each day; archives and queries may run meanwhile."""
    from flows.cli.display import show_compacted
    from tasks.catalogue.lookup import open_archive
    from tasks.steps.compact import CompactSummary, plan_compaction

    place = location(store)
    days, too_large = plan_compaction(open_archive(place))
    summary = CompactSummary("", place, n_too_large=len(too_large))
    if days:

        def in_a_flow() -> Any:
            from flows.compact import compact as flow

            return flow(place)

        summary = started(in_a_flow, module="flows.compact", bar=False)
    concluded(summary, dataclasses.asdict, show_compacted, as_json)


def check(store: Store, as_json: Json = False) -> None:
    """Try what an archive asks of its store: keys are created once, listed and deleted; a disk has room.

    It writes small objects of its own, and deletes them.
    """
    from flows.cli.display import show_promises
    from flows.cli.printing import show_json
    from tasks.store.folder import LocalStore
    from tasks.store.locations import open_store
    from tasks.store.promises import room, tried

    target = open_store(location(store))
    if isinstance(target, LocalStore) and not target.root.is_dir():
        raise ConfigError(f"store: expected a folder, found none at {target.url}")
    found = [*tried(target), *room(target)]
    if as_json:
        show_json({"store": target.url, "promises": [dataclasses.asdict(promise) for promise in found]})
    else:
        show_promises(target.url, found)
    if not all(promise.is_kept for promise in found):
        raise typer.Exit(exits.STORAGE)


def prune(
    store: Store,
    drop: Annotated[
        list[str],
        typer.Option(
            help="Give up this setting, by the beginning of its digest as listed here. "
            "May be given several times."
        ),
    ] = [],  # noqa: B006  as Typer has lists
    keep: Annotated[
        list[str],
        typer.Option(help="Give up every setting but this one. May be given several times."),
    ] = [],  # noqa: B006
    even_last: Annotated[
        bool, typer.Option("--even-last", help="Give up images, too, that no other setting has.")
    ] = False,
    days: Annotated[
        float,
        typer.Option(
            min=0, max=MOST_DAYS, help="What is younger may be of a run that is not over, and stays."
        ),
    ] = 7.0,
    remove: Annotated[bool, typer.Option("--remove", help="Do it; without, only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """List the settings of an archive and what no row needs any more; with --remove, remove that."""
    from flows.cli.display import show_pruned
    from flows.cli.printing import show_json
    from tasks.catalogue.lookup import open_archive
    from tasks.upkeep.prune import PruneSummary, plan_prune
    from tasks.upkeep.prune import prune as removed

    target = open_archive(location(store))
    plan = plan_prune(target, drop=drop, keep=keep, even_last=even_last, days=days)
    summary = removed(target, plan) if remove else PruneSummary.of(target, plan)
    show_json(summary.as_values()) if as_json else show_pruned(summary)
