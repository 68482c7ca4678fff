"""Makes the golden parts of the catalogue: one of each table in each schema version, and its rows as JSON.

    python -m tests.vectors.make_parts

writes what is missing in the versions of today. A part that is there is the promise that it stays
readable, and is never written again; a new version of a table needs a new part, or its test fails.
"""

import dataclasses
import json
import math
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from inr import Progress
from inr.errors import EncodeError
from tasks.catalogue import parts
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.parts import AUDITS, HISTORY, IMAGES
from tasks.catalogue.records import Failed, now
from tasks.plan.claims import Claim, write_claim
from tasks.steps.commit import append, append_audits
from tasks.store.folder import LocalStore
from tests.tasks.rows import archived, planned

HERE = Path(__file__).parent / "catalogue"


def _archive(store: LocalStore) -> None:
    record = archived("a.png", also_at=("b.png",), psnr_db=31.25, ms_ssim=0.93, device="cpu", n_threads=2)
    points = [Progress(1, step, 200, 0.002, 0.5, 30.0) for step in (100, 200)]
    write_claim(store, Claim(record.stored, tuple(points)))
    exact = archived("one colour.png", psnr_db=math.inf)
    append(store, [record, exact, Failed.of(planned("c.png"), EncodeError("no"))])


def _audit(store: LocalStore) -> None:
    row = AuditRow(
        run_id="run", checked_at=now(), key="bitstreams/aa/b.inr", status=AuditStatus.INTACT, n_bytes=9
    )
    lost = dataclasses.replace(
        row, status=AuditStatus.MISSING, error_type="VerificationMismatch", error_message="no"
    )
    append_audits(store, [row, lost])


TABLES: dict[str, Callable[[LocalStore], None]] = {IMAGES: _archive, HISTORY: _archive, AUDITS: _audit}


def main() -> None:
    for table, write in TABLES.items():
        version = parts.SCHEMAS[table].metadata[b"inr.schema_version"].decode()
        golden = HERE / f"{table.rpartition('/')[2]}-{version}.parquet"
        if golden.exists():
            continue
        with tempfile.TemporaryDirectory() as folder:
            store = LocalStore(Path(folder))
            write(store)
            [key] = parts.list_parts(store, table)
            golden.write_bytes(store.get(key, max_bytes=1 << 20))
            rows = parts.contents(store, table, partial(parts.list_parts, store, table)).rows.to_pylist()
        golden.with_suffix(".json").write_text(json.dumps(rows, default=str, indent=1) + "\n")
        print(golden.name)


if __name__ == "__main__":
    main()
