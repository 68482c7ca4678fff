import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("triton")

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu.__main__ import main
from benchmarks.gpu.trial import Row, Trial
from tests.inr.cnn.fit.fused.doubles import take_doubles


def test_a_dry_run_goes_through_every_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_doubles(monkeypatch)  # of steps
    with np.errstate(all="ignore"):
        main(["--dry-run", "--out", str(tmp_path / "gpu")])
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert found["failed"] == {}
    assert found["left_out"] == []
    assert list(dict.fromkeys(row["part"] for row in found["rows"])) == [part.__name__ for part in gpu.PARTS]
    checks = [row for row in found["rows"] if row["most"] is not None]
    assert all(row["value"] <= row["most"] for row in checks)
    page = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert f"{len(checks)} of {len(checks)} checks pass" in page
    assert "Card: none" in page


def test_a_part_that_fails_leaves_the_others_and_late_ones_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Trial) -> list[Row]:
        raise RuntimeError("out of memory")

    def late(_: Trial) -> list[Row]:
        return [Row("late", "samples", 3, 0)]

    monkeypatch.setattr(gpu, "PARTS", (broken, late))
    main(["--dry-run", "--out", str(tmp_path / "gpu")])
    page = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert "- Part broken failed: RuntimeError: out of memory" in page
    assert "0 of 1 checks pass" in page
    assert "| samples | late | 3 | 0 | NO |" in page
    main(["--dry-run", "--minutes", "-1", "--out", str(tmp_path / "gpu")])
    page = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert "- Part late was left out" in page
