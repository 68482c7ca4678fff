"""A restoration without Prefect writes the same files as the flow."""

from pathlib import Path

from flows.engine.plain import begin_plainly
from flows.restoring import restore_all
from tasks.plan.restoring import plan_restore
from tasks.steps.restore import RestoreSummary
from tasks.store.folder import LocalStore
from tests.flows.conftest import GOOD, OPTIONS, Archived
from tests.flows.test_restore import restored_name, stored


def test_every_image_is_written_and_what_fails_is_counted(archived: Archived, tmp_path: Path):
    store, target = LocalStore(archived.store), tmp_path / "out"
    store.delete(stored(archived)["grey.png"]["key"])
    run, wanted = begin_plainly(OPTIONS), plan_restore(store, "true", ".png")
    summary = RestoreSummary(run.run_id, store.url, str(target), len(wanted))
    restore_all(run, wanted, "png", summary)
    assert (summary.n_restored, summary.n_failed) == (len(GOOD) - 1, 1)
    assert [path for path, _ in summary.failures] == ["grey.png"]
    names = {restored_name(name, "png") for name in (*GOOD, "copy.png")} - {"grey.png"}
    assert {path.relative_to(target).as_posix() for path in target.rglob("*.png")} == names
