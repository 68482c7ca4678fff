import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.prior.entries import entry_of, join, write
from inr.cnn.architecture import LatentPyramid
from inr.cnn.grids import MAX_LEVELS
from inr.cnn.network import largest_row_sum, row_sums
from inr.cnn.prior import N_GAINS, NO_GAIN, read_priors
from tests.inr.networks import made_up_prior

# The limits of FORMAT.md, section 9.2.
LIMITS = {"context0": (7, 15), "parents": (7, 15), "synthesis0": (9, 12)}
LIMITS |= dict.fromkeys(("filters", "upsampling"), (3, 10))


def shape_of(channels: int) -> LatentPyramid:
    known = made_up_prior(1, channels=channels, n_residuals=2)
    return LatentPyramid(channels=channels, width=1, height=1, n_levels=MAX_LEVELS, prior=known, gain=NO_GAIN)


def drawn(shape: LatentPyramid, scale: float) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        name: scale * torch.randn(size, generator=generator).double() for name, size in shape.matrices.items()
    }


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [1e-3, 0.1, 0.4])
def test_integers_keep_to_the_limits_of_the_format_and_leave_as_much_room_for_files(
    channels: int, scale: float
) -> None:
    shape = shape_of(channels)
    named = drawn(shape, scale)
    entry = entry_of(named, shape, 0.004)
    [known] = read_priors(json.dumps([entry]))
    assert (known.channels, known.n_levels, known.rd_lambda) == (channels, MAX_LEVELS, 0.004)
    assert list(known.matrices) == list(shape.matrices)
    for name, matrix in named.items():
        least, most = LIMITS.get(name, (3, 15))
        assert least <= known.exponents[name] <= most
        np.testing.assert_allclose(
            known.matrices[name] * 2.0 ** -known.exponents[name], matrix, atol=2.0 ** -known.exponents[name]
        )
        for gain in range(N_GAINS):
            for more in (0, 1):
                integers = known.matrix(name, channels + more, MAX_LEVELS, gain)
                most_of_a_row = int(row_sums(shape, name, integers).max())
                assert most_of_a_row <= largest_row_sum(name) / 2 + integers.shape[1] * 5  # and roundings


def test_exponents_are_as_large_as_that_allows() -> None:
    shape = shape_of(3)
    small, large = (entry_of(drawn(shape, scale), shape, 1e-3)["exponents"] for scale in (0.1, 0.4))
    assert small == {name: 2 + exponent for name, exponent in large.items()} | {
        name: small[name] for name in small if small[name] in (10, 12)
    }
    assert large["upsampling"] < 10
    assert large["parents"] < 12


def test_the_least_exponent_may_take_the_room_for_files() -> None:
    shape = shape_of(3)
    named = {name: torch.zeros_like(matrix) + 0.01 for name, matrix in drawn(shape, 1.0).items()}
    named["synthesis0"][:] = torch.tensor([0.0] * MAX_LEVELS + [6.0]).double()  # 48 under the smallest gain
    assert entry_of(named, shape, 1e-3)["exponents"]["synthesis0"] == 9
    named["synthesis0"] *= 1.5  # 72 > 64 = 2 ** (15 - 9)
    with pytest.raises(ValueError, match="synthesis0: expected room for an exponent of 9, found 8"):
        entry_of(named, shape, 1e-3)


@pytest.mark.parametrize("name", ["synthesis0", "parents", "upsampling", "context1"])
def test_weights_for_which_the_format_has_no_exponent_are_refused(name: str) -> None:
    shape = shape_of(3)
    named = drawn(shape, 0.2)
    named[name] *= 30000
    with pytest.raises(ValueError, match=f"{name}: expected room"):
        entry_of(named, shape, 1e-3)


def a_set(number: int) -> list[dict[str, Any]]:
    return [{"channels": number, "matrices": {"a": [[1, -2], [3, 4]], "b": [[-5]]}}]


def test_a_row_of_a_matrix_is_a_line_of_the_file(tmp_path: Path) -> None:
    write(a_set(1), tmp_path / "priors.json")
    text = (tmp_path / "priors.json").read_text(encoding="utf-8")
    assert json.loads(text) == a_set(1)
    assert [line.strip() for line in text.splitlines() if "[" in line and line.strip()[-1] not in "[{"] == [
        *("[1, -2],", "[3, 4]", "[-5]")
    ]


def test_sets_are_joined_in_the_order_given(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.json" for number in (3, 1)]
    for number, path in zip((3, 1), paths, strict=True):
        write(a_set(number), path)
    join(paths, tmp_path / "joined.json")
    assert json.loads((tmp_path / "joined.json").read_text(encoding="utf-8")) == a_set(3) + a_set(1)
