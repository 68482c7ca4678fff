"""The flow ``restore``: archived images back to files, each compared with its row on the way."""

from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from flows.engine.artifacts import failures
from flows.engine.interrupts import handing_back
from flows.engine.runs import begin, ended
from flows.engine.tasks import restore as restore_task
from flows.restoring import restore_all
from tasks.catalogue.lookup import open_archive
from tasks.plan.restoring import check_target, plan_restore
from tasks.report.markdown import markdown_list, markdown_table
from tasks.settings import RunOptions
from tasks.steps.restore import KEPT_FAILURES, Format, RestoreSummary
from tasks.wording import counted


def run_name() -> str:
    """The name of a run in Prefect's lists: what it restores, and where."""
    given = flow_run.parameters
    versions = ", all versions" if given.get("all_versions") else ", the best" if given.get("best") else ""
    return f"restore {given['store']} into {given['target']}, where {given.get('where') or 'true'}{versions}"


@flow(name="restore", flow_run_name=run_name)
def restore(
    store: str,
    target: str,
    where: str = "true",
    format: Format = "png",
    options: RunOptions | None = None,
    all_versions: bool = False,
    best: bool = False,
) -> Any:  # RestoreSummary, or a failed state; Prefect unwraps the state before the caller sees it
    """Write archived images into a folder as lossless files, with ICC profile, EXIF and XMP.

    Args:
        store: Folder of the archive, as a path or ``file:`` URI, or ``s3://bucket/prefix``.
        target: Folder to write into, as a path or ``file:`` URI; made if it does not exist. Files that are
            there are never replaced.
        where: Which images, as a condition in SQL on the columns of ``images``.
        format: Format of the files.
        options: The way of working; what they do not say, the settings of the environment do.
        all_versions: Every version of a photograph that is selected, and not only the latest.
        best: Of the latest content under several settings the highest PSNR, and not what was verified last.

    Returns:
        The `RestoreSummary`, where every image was restored.

    Raises:
        ImagesFailed: Some were not; carries the summary.
        ConfigError, CatalogueError, StorageError: Predicate, store or target cannot be used.
    """
    run, source = begin(options), open_archive(store)
    check_target(target)
    with handing_back():
        wanted = plan_restore(source, where, f".{format}", all_versions=all_versions, best=best)
        get_run_logger().info("%s selected", counted(len(wanted), "image"))
        summary = RestoreSummary(run.run_id, source.url, target, len(wanted))
        restore_all(run, wanted, format, summary, restore_task)
    return ended(summary, _page(summary), failures("image", summary.failures, summary.n_failed))


def _page(summary: RestoreSummary) -> str:
    facts = {
        "store": summary.store,
        "target": summary.target,
        "run": f"{summary.run_id}, {summary.wall_seconds:.1f} s",
        "images": f"{summary.n_restored} of {summary.n_planned}, {summary.n_failed} failed",
        "files": f"{summary.n_written} written, {summary.n_present} there already, {summary.n_bytes} bytes",
    }
    lines = markdown_list(facts)
    if renamed := summary.renamed[:KEPT_FAILURES]:
        lines += ["", *markdown_table(("image", "restored as"), renamed)]
    return "\n".join(lines)
