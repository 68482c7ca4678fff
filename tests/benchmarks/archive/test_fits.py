from pathlib import Path

import pytest
from PIL import Image

from benchmarks.archive import fits
from tests.tasks.pictures import gradient


def test_bare_fits_take_the_steps_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(fits, "READY_SECONDS", 0)
    for n in range(2):
        Image.fromarray(gradient(8, 8 + n, 3)).save(tmp_path / f"{n}.png")
    words = ["bare", str(tmp_path), "--preset", "draft", "--runner", "threads", "--workers", "2"]
    for n_steps in ("3", "3", "200"):  # the first one compiles
        fits.main([*words, "--steps", n_steps])
    _, few, many = map(float, capsys.readouterr().out.split())
    assert 0 < few < many
