import numpy as np
import pytest

from benchmarks.gpu import encodes
from benchmarks.gpu.trial import Row, Trial
from inr.errors import EncodeError

FLAT = np.full((12, 16, 3), (10, 200, 30), np.uint8)  # of one colour, which needs no fit
TRIAL = Trial("cpu", {"one": FLAT, "two": FLAT}, {}, curve=["two"], lambdas=[4e-3, 3e-4])


def values(rows: list[Row]) -> dict[str, float]:
    return {row.name: row.value for row in rows}


def test_a_batch_is_timed_and_costed() -> None:
    found = values(list(encodes.batch(TRIAL)))
    assert found["images an hour"] == pytest.approx(3600 / found["seconds an image"])
    assert found["images without a file"] == 0
    rate = 8 * 25 / (12 * 16)  # of 25 bytes
    assert found["mean cost, 1000 · (MSE + λ · bpp)"] == pytest.approx(rate, rel=0.1)


def test_each_of_the_other_lambdas_is_a_batch_of_its_own() -> None:
    names = list(values(list(encodes.curve(TRIAL))))
    assert names[0] == "λ = 0.004: 1 images, s"
    assert names[2] == "λ = 0.0003: 1 images, s"


def test_an_image_without_a_file_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmarks.gpu.trial.encode_many", lambda requests, **_: [EncodeError("no")] * len(requests)
    )
    rows = list(encodes.curve(TRIAL))
    assert [row.passes for row in rows] == [True, False, True, False]


def test_the_first_image_is_encoded_by_best_at_two_lambdas() -> None:
    assert len(list(encodes.best(TRIAL))) == 4
