import json
import logging
import re

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows.archive import archive
from flows.cli import exits
from flows.verify import verify
from tasks.catalogue import parts
from tasks.errors import ImagesFailed
from tasks.steps.audit import AuditSummary
from tasks.store.folder import LocalStore
from tests.flows.command import invoke
from tests.flows.conftest import BAD, DRAFT, GOOD, OPTIONS, Archived
from tests.flows.graphs import edges_of
from tests.flows.logs import log_of
from tests.flows.test_restore import stored


def test_a_sound_archive_is_intact_and_the_audit_is_recorded(archived: Archived):
    summary: AuditSummary = verify(str(archived.store), options=OPTIONS)
    assert summary.counts == {"intact": len(GOOD)}
    rows = parts.read_audits(LocalStore(archived.store)).to_pylist()
    assert {row["key"] for row in rows} == {row["key"] for row in stored(archived).values()}
    assert {row["run_id"] for row in rows} == {summary.run_id}
    sampled: AuditSummary = verify(str(archived.store), sample=2, options=OPTIONS)
    assert sampled.headline() == f"2 of 2 bitstreams intact; {len(GOOD)} in the archive"


def test_damage_is_found_shown_and_mended_by_the_next_archive(archived: Archived):
    rows, store = stored(archived), LocalStore(archived.store)
    flipped = store.path(rows["grey.png"]["key"])
    whole = flipped.read_bytes()
    flipped.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    store.delete(rows["alpha.png"]["key"])
    store.put("bitstreams/ff/stray.inr", b"x")

    result = invoke("verify", archived.store, "--workers", 2)
    assert result.exit_code == exits.IMAGES_FAILED
    lines = result.output.splitlines()
    assert any(line.startswith("damaged: grey.png: ") and "SHA-256" in line for line in lines)
    missing = [line for line in lines if line.startswith("missing: alpha.png: ")]
    assert rows["alpha.png"]["key"] in missing[0]
    assert "orphan: bitstreams/ff/stray.inr" in lines
    headline = f"{len(GOOD) - 2} of {len(GOOD)} bitstreams intact, 1 damaged, 1 missing, 1 orphan"
    assert lines[-1].startswith(headline)

    for name in BAD:
        (archived.source / name).unlink()
    summary = archive(str(archived.source), str(archived.store), DRAFT, OPTIONS)
    assert (summary.n_archived, summary.n_before) == (2, len(GOOD) - 2)
    assert flipped.read_bytes() == whole
    found = json.loads(invoke("verify", archived.store, "--workers", 2, "--json").output)
    assert found["counts"] == {"intact": len(GOOD), "orphan": 1}


def test_prefect_shows_the_findings(archived: Archived):
    """What is lost first, in few words; and what is to be done."""
    store, rows = LocalStore(archived.store), stored(archived)
    store.delete(rows["grey.png"]["key"])
    store.put("bitstreams/00/stray.inr", b"")
    path = archived.store / rows["alpha.png"]["key"]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ImagesFailed, match="1 missing") as failure:
        verify(str(archived.store), unread_days=0, options=OPTIONS)
    run_id = failure.value.summary.run_id
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        )
    assert run.name == f"verify {archived.store}, unread for 0 days"
    lines = [log.message for log in log_of(run_id) if log.level >= logging.ERROR]
    assert [line for line in lines if line.startswith("missing: grey.png: ")] != []
    assert f"store:{archived.store.absolute()}" in run.tags
    shown = {artifact.key: artifact.data for artifact in found}
    findings = json.loads(shown["verify-findings"])
    assert [(each["status"], each["image"]) for each in findings] == [
        *[("damaged", "alpha.png"), ("missing", "grey.png"), ("orphan", "")],
    ]
    damaged, missing, orphan = (each["reason"] for each in findings)
    assert re.fullmatch("SHA-256: expected [0-9a-f]{12}…, found [0-9a-f]{12}…", damaged)
    assert (missing, orphan) == ("the store has no such object", "no record names it")
    facts = shown["verify-summary"].split("\n- ")
    assert [fact.split(":")[0] for fact in facts[3:7]] == ["damaged", "missing", "intact", "orphan"]
    assert shown["verify-summary"].endswith(
        "\n\nThe next archive over the originals makes anew what is damaged or missing."
    )
    assert shown["verify-progress"] == 100.0


def test_what_one_audit_says_of_an_object_depends_on_no_other(archived: Archived):
    """Rows of an audit share texts and members of enums, by which Prefect would guess."""
    summary: AuditSummary = verify(str(archived.store), options=OPTIONS)
    edges = edges_of(summary.run_id, len(GOOD) + 1)
    audits = {name: before for name, before in edges.items() if name.startswith("audit ")}
    assert len(audits) == len(GOOD)
    assert set().union(*audits.values()) == set()
    [recorded] = [before for name, before in edges.items() if name.startswith("record ")]
    assert recorded == audits.keys()
