from pathlib import Path
from shutil import copy

from benchmarks.rd.figures import RESULTS, main


def test_stored_results_give_the_stored_figures(tmp_path: Path) -> None:
    for name in ("rd_kodak7", "rd_mlp_kodak24", "fig5"):
        copy(RESULTS / f"{name}.json", tmp_path)
    for figure in ("fig4", "fig5"):
        main([figure, "--results", str(tmp_path)])
        drawn = (tmp_path / f"{figure}.svg").read_text(encoding="utf-8")
        assert drawn == (RESULTS / f"{figure}.svg").read_text(encoding="utf-8")


def test_every_line_has_its_label(tmp_path: Path) -> None:
    figure = (RESULTS / "fig4.svg").read_text(encoding="utf-8")
    for label in ("cnn, draft", "AVIF 4:4:4", "Cool-Chic 5.0", "Strümpler 2022", "COIN"):
        assert f">{label}<" in figure
