import numpy as np
import pytest

from inr import BitstreamError, InvalidField, Limits, Metadata, decode
from inr.network import digest_pixels, digest_symbols
from tests.inr.networks import bitstream_of, made_up_cnn, made_up_mlp, mlp, pyramid

NETWORKS = [
    made_up_mlp(mlp(3, 12, 2, 4, 2), seed=1, width=9, height=6),
    made_up_cnn(pyramid(1, 9, 6, 2), seed=1),
]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_file_decodes_to_its_networks_pixels_and_digests(network) -> None:
    metadata = Metadata(icc_profile=b"profile", exif=b"Exif")
    decoded = decode(bitstream_of(network, metadata))
    np.testing.assert_array_equal(decoded.pixels, network.render())
    assert decoded.metadata == metadata
    assert decoded.symbols_digest == digest_symbols(network.symbols)
    assert decoded.pixels_digest == digest_pixels(network.render())


@pytest.mark.parametrize("network", NETWORKS)
def test_an_image_over_the_limit_is_refused_before_it_is_decoded(network) -> None:
    data = bitstream_of(network)
    assert decode(data, limits=Limits(max_samples=9 * 6 * 3)).pixels.size == 162
    with pytest.raises(InvalidField, match="at most 161 samples"):
        decode(data, limits=Limits(max_samples=161))


def test_what_is_no_file_is_named() -> None:
    with pytest.raises(BitstreamError, match="magic"):
        decode(b"RIFF....WEBP")
