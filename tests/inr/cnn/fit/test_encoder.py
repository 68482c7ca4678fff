"""Fits of family `cnn`: whole encodings of small photographs."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from inr import CodecConfig, ConfigError, DeadlineExceeded, Encoded, InrError, Progress, decode, encode
from inr.cnn.fit import encoder
from inr.cnn.fit.encoder import fit_cnn
from inr.fit.requests import FitReport, FitRequest, Fitted

STEPS = 150  # where a test is not about the quality of fits
DRAFT = CodecConfig(model="cnn", preset="draft", rd_lambda=1e-3)


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[20:148, 150:278])


def test_a_photograph_becomes_a_small_file_of_good_quality(photograph: np.ndarray) -> None:
    seen: list[Progress] = []
    encoded = encode(photograph, DRAFT, device="cpu", on_progress=seen.append)
    assert encoded.psnr_db > 28
    assert encoded.rate_bpp < 2
    assert encoded.estimated_rate_bits == pytest.approx(8 * len(encoded.bitstream), rel=0.01)
    assert decode(encoded.bitstream).pixels_digest == encoded.pixels_digest
    steps = [progress.step for progress in seen]
    assert list(dict.fromkeys(steps)) == list(range(50, 1001, 50))
    assert steps[19:] == [1000] * len(steps[19:])  # while symbols settle, the last step stands
    assert seen[-1].psnr_db == pytest.approx(encoded.psnr_db, abs=0.5)


def test_the_same_command_gives_the_same_bytes_on_any_number_of_threads(photograph: np.ndarray) -> None:
    small = np.ascontiguousarray(photograph[:96, :80])
    before = torch.get_num_threads()
    try:
        digests = []
        for n_threads in (1, 2, 2):
            torch.set_num_threads(n_threads)
            digests.append(encode(small, DRAFT, device="cpu", n_steps=STEPS).symbols_digest)
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert len(set(digests)) == 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 1), (40, 1, 4), (3, 2, 2), (130, 5, 3)])
def test_every_size_can_be_encoded(shape: tuple[int, int, int], photograph: np.ndarray) -> None:
    height, width, channels = shape
    pixels = np.resize(photograph, (height, width, channels))
    encoded = encode(pixels, DRAFT, device="cpu", n_steps=STEPS)
    assert encoded.pixels.shape == shape


def test_one_colour_is_exact() -> None:
    for colour in ((0, 0, 0), (255, 254, 1), (77, 128, 129)):
        pixels = np.full((30, 20, 3), colour, dtype=np.uint8)
        encoded = encode(pixels, DRAFT, device="cpu")
        np.testing.assert_array_equal(encoded.pixels, pixels)
        assert len(encoded.bitstream) < 60


def test_more_rate_is_spent_for_a_smaller_lambda(photograph: np.ndarray) -> None:
    small = np.ascontiguousarray(photograph[:64, :64])
    found = [
        encode(small, CodecConfig(model="cnn", preset="draft", rd_lambda=value), device="cpu", n_steps=STEPS)
        for value in (1e-2, 1e-3, 1e-4)
    ]
    assert sorted(found, key=lambda encoded: encoded.rate_bpp) == found
    assert sorted(found, key=lambda encoded: encoded.psnr_db) == found


def test_what_the_callback_returns_ends_the_fit(photograph: np.ndarray) -> None:
    before = torch.get_num_threads()
    with pytest.raises(DeadlineExceeded, match="enough"):
        encode(photograph, DRAFT, device="cpu", on_progress=lambda _: DeadlineExceeded("enough"))
    assert torch.get_num_threads() == before


def requests_of(*sizes: tuple[int, int], rd_lambda: float = 1e-3) -> list[FitRequest]:
    """Requests whose seeds are their places."""
    return [
        FitRequest(pixels=np.zeros((*size, 3), np.uint8), rd_lambda=rd_lambda, seed=place, preset="draft")
        for place, size in enumerate(sizes)
    ]


@pytest.fixture
def fitted_together(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, ...], list[int]]]:
    """Shapes and seeds of what is fitted together from here on; results are seeds, after two reports."""
    pytest.importorskip("triton")
    from inr.cnn.fit.fused import fits

    groups: list[tuple[tuple[int, ...], list[int]]] = []

    def fit_together(
        images: Sequence[np.ndarray],
        *_: object,
        seeds: Sequence[int],
        goes_on: Callable[[Mapping[int, FitReport]], bool],
        **__: object,
    ) -> list[int] | None:
        groups.append((images[0].shape, list(seeds)))
        reports = [{n: FitReport(step, 2, 1.0, 30.0) for n in range(len(images))} for step in (1, 2)]
        return list(seeds) if all(map(goes_on, reports)) else None

    monkeypatch.setattr(fits, "fit_together", fit_together)
    return groups


def test_on_a_card_images_of_one_size_are_fitted_together_and_results_keep_their_order(
    fitted_together: list[tuple[tuple[int, ...], list[int]]],
) -> None:
    requests = requests_of((8, 8), (8, 9), (8, 8))
    requests += requests_of((8, 8), rd_lambda=0.01)
    seen: list[tuple[int, ...]] = []

    def on_reports(reports: Mapping[int, FitReport]) -> dict[int, InrError]:
        seen.append(tuple(reports))
        return {}

    assert fit_cnn(requests, device="cuda", on_reports=on_reports) == [0, 1, 2, 0]
    assert fitted_together == [((8, 8, 3), [0, 2]), ((8, 9, 3), [1]), ((8, 8, 3), [0])]
    assert seen == [(0, 2), (0, 2), (1,), (1,), (3,), (3,)]


def test_a_fit_goes_on_from_a_network_of_its_own_architecture(photograph: np.ndarray) -> None:
    pixels = np.ascontiguousarray(photograph[:24, :32])
    steps: list[int] = []

    def on_reports(reports: Mapping[int, FitReport]) -> dict[int, InrError]:
        steps.append(reports[0].step)
        return {}

    first = FitRequest(pixels=pixels, rd_lambda=1e-3, seed=0, preset="draft", n_steps=80, report_steps=8)
    [before] = fit_cnn([first], device="cpu", on_reports=on_reports)
    assert isinstance(before, Fitted)
    assert steps[0] == 8
    steps.clear()
    later = replace(first, rd_lambda=1.9e-3, begin=before.network)
    [after] = fit_cnn([later], device="cpu", on_reports=on_reports)
    assert isinstance(after, Fitted)
    assert steps[0] == 56
    assert after.network.architecture == before.network.architecture
    [anew] = fit_cnn([replace(later, begin=None, n_steps=1)], device="cpu", on_reports=on_reports)
    assert isinstance(anew, Fitted)
    assert anew.network.architecture != before.network.architecture


def test_on_a_card_a_fit_that_goes_on_is_not_in_step_with_one_that_begins(
    fitted_together: list[tuple[tuple[int, ...], list[int]]],
) -> None:
    requests = requests_of((8, 8), (8, 8), (8, 8), (8, 8))
    [network] = fit_cnn([replace(requests[0], n_steps=1)], device="cpu", on_reports=lambda _: {})
    assert isinstance(network, Fitted)
    requests[1:3] = [replace(request, begin=network.network) for request in requests[1:3]]
    assert fit_cnn(requests, device="cuda", on_reports=lambda _: {}) == [0, 1, 2, 3]
    assert [seeds for _, seeds in fitted_together] == [[0, 3], [1, 2]]


def test_on_a_card_a_group_is_no_larger_than_the_largest_image(
    fitted_together: list[tuple[tuple[int, ...], list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "MAX_PIXELS", 2 * 8 * 8 + 5)
    requests = requests_of((8, 8), (8, 8), (8, 8), (20, 20))
    assert fit_cnn(requests, device="cuda", on_reports=lambda _: {}) == [0, 1, 2, 3]
    assert [seeds for _, seeds in fitted_together] == [[0, 1], [2], [3]]


def test_on_a_card_an_image_that_is_dropped_leaves_its_neighbours_alone(
    fitted_together: list[tuple[tuple[int, ...], list[int]]],
) -> None:
    late, seen = DeadlineExceeded("enough"), []

    def on_reports(reports: Mapping[int, FitReport]) -> dict[int, InrError]:
        seen.append(tuple(reports))
        return {place: late for place in (0, 3) if place in reports}

    found = fit_cnn(requests_of((8, 8), (8, 8), (4, 4), (5, 5)), device="cuda", on_reports=on_reports)
    assert found == [late, 1, 2, late]
    assert seen == [(0, 1), (1,), (2,), (2,), (3,)]


def test_a_card_without_triton_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inr.cnn.fit.fused", None)
    with pytest.raises(ConfigError, match=r"device: expected Triton, .* found none"):
        fit_cnn(requests_of((8, 8)), device="cuda", on_reports=lambda _: {})


@pytest.mark.gpu
def test_a_fit_on_a_gpu_costs_what_one_on_the_cpu_does(photograph: np.ndarray) -> None:
    def cost(encoded: Encoded) -> float:
        return float(10 ** (-encoded.psnr_db / 10) + 1e-3 * encoded.rate_bpp)

    small = np.ascontiguousarray(photograph[:64, :64])
    found, known = (encode(small, DRAFT, device=device, n_steps=60) for device in ("cuda", "cpu"))
    assert cost(found) == pytest.approx(cost(known), rel=0.05)


@pytest.mark.gpu
def test_a_fit_on_a_gpu_decodes_on_the_cpu(photograph: np.ndarray) -> None:
    encoded = encode(photograph, DRAFT, device="cuda")
    assert encoded.device == "cuda"
    assert decode(encoded.bitstream).pixels_digest == encoded.pixels_digest
