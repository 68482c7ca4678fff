import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.rd.figures import main as draw
from benchmarks.training import main, thinned
from tests.tasks.pictures import gradient


@pytest.mark.parametrize(("n", "expected"), [(2, [0, 1]), (5, [0, 1, 2, 3, 4]), (9, [0, 2, 4, 6, 8])])
def test_reports_are_thinned_evenly_with_both_ends(n: int, expected: list[int]) -> None:
    assert thinned(range(n), 5) == expected


def test_a_higher_lambda_ends_with_fewer_bits_and_the_figure_shows_both(tmp_path: Path) -> None:
    Image.fromarray(gradient(24, 32, 3)).save(tmp_path / "ramp.png")
    words = ["--images", str(tmp_path), "--name", "ramp", "--box", "0", "0", "16", "12", "--models", "mlp"]
    main(
        [
            *words,
            "--lambdas",
            "0.001",
            "0.1",
            "--work",
            str(tmp_path / "work"),
            "--out",
            str(tmp_path / "fig5"),
        ]
    )
    report = json.loads((tmp_path / "fig5.json").read_text(encoding="utf-8"))
    fine, coarse = report["fits"]
    assert report["image"] == "ramp, 16x12 at 0,0"
    assert coarse["estimated_bpp"][-1][1] < fine["estimated_bpp"][-1][1]
    assert coarse["file_psnr_db"] < fine["file_psnr_db"]
    assert coarse["psnr_db"][-1][0] == coarse["n_steps"]
    page = (tmp_path / "fig5.md").read_text(encoding="utf-8")
    assert f"| mlp | 0.1 | {coarse['n_steps']} | {coarse['file_bpp']:.4f} |" in page
    draw(["fig5", "--results", str(tmp_path)])
    figure = (tmp_path / "fig5.svg").read_text(encoding="utf-8")
    for label in ("λ 0.001", "λ 0.1", "mlp, draft: ramp, 16x12 at 0,0"):
        assert f">{label}<" in figure
