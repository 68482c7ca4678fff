import numpy as np

from inr.fit.requests import FitRequest, Fitted
from inr.metrics import psnr_db
from inr.mlp.fit.encoder import coding_of, fit_mlp, network_of
from inr.mlp.fit.presets import choose_architecture
from tests.inr.networks import made_up_mlp, mlp


def test_each_request_becomes_a_network_of_its_own_size(photograph: np.ndarray) -> None:
    requests = [
        FitRequest(pixels=pixels, rd_lambda=1e-3, seed=0, preset="draft", n_steps=60)
        for pixels in (photograph, photograph[:20, :30, :1])
    ]
    results = fit_mlp(requests, device="cpu", on_reports=lambda reports: {})
    for request, fitted in zip(requests, results, strict=True):
        assert isinstance(fitted, Fitted)
        assert fitted.network.render().shape == request.pixels.shape
        assert fitted.estimated_bits > 0


def test_offsets_are_moved_where_that_lowers_the_error(photograph: np.ndarray) -> None:
    """Fits only near the mean colour; what is left of the mean error goes."""
    request = FitRequest(pixels=photograph, rd_lambda=1e-3, seed=0, preset="draft", n_steps=60)
    [fitted] = fit_mlp([request], device="cpu", on_reports=lambda reports: {})
    assert isinstance(fitted, Fitted)
    pixels = fitted.network.render()
    assert np.abs(pixels.mean((0, 1)) - photograph.mean((0, 1))).max() < 1.5
    assert psnr_db(reference=photograph, decoded=pixels) > 10


def test_codings_have_room_for_their_symbols() -> None:
    network = made_up_mlp(mlp(3, 17, 3, 4, 2), seed=6, width=4, height=4)
    for spec, tensor in zip(network.shape.specs, network.symbols, strict=True):
        coding = coding_of(spec, tensor)
        coded = np.diff(tensor, prepend=0) if spec.is_phase else tensor
        assert coding.low <= coded.min() <= coded.max() == coding.high


def test_a_network_has_the_images_size(photograph: np.ndarray) -> None:
    architecture = choose_architecture(photograph, 1e-2)
    symbols = [np.zeros(spec.shape, np.int32) for spec in architecture.specs]
    network = network_of(architecture, symbols, [40] * len(symbols), photograph.shape)
    assert (network.height, network.width) == photograph.shape[:2]
