import numpy as np
import pytest

from inr.cnn.levels import level_bits, level_laws, read_level, write_level
from inr.cnn.network import context_model
from inr.coding.coder import PayloadReader, PayloadWriter
from tests.inr.networks import made_up_cnn, pyramid

NETWORK = made_up_cnn(pyramid(1, 30, 20, 1, 6, 4, 0), seed=2)
CONTEXT = context_model(NETWORK.weights)


@pytest.mark.parametrize("reach", [25, 400])  # a table that is kept, and one that is not
def test_a_level_is_read_as_it_was_written_and_takes_the_bits_of_its_tables(reach: int) -> None:
    rng = np.random.default_rng(1)
    latents = np.clip(rng.laplace(0, 2, (20, 30)), -9, 9).astype(np.int16)
    reach = max(reach, int(np.abs(level_laws(CONTEXT, latents)[1]).max()))
    writer = PayloadWriter()
    write_level(writer, CONTEXT, latents, reach)
    payload = writer.to_bytes()
    np.testing.assert_array_equal(read_level(PayloadReader(payload), CONTEXT, (20, 30), reach), latents)
    assert 8 * len(payload) == pytest.approx(level_bits(CONTEXT, latents, reach), abs=64)


def test_a_level_without_reach_takes_no_bits() -> None:
    latents = read_level(PayloadReader(b""), CONTEXT, (4, 4), 0)
    assert level_bits(CONTEXT, latents, 0) == 0
    writer = PayloadWriter()
    write_level(writer, CONTEXT, latents, 0)
    assert writer.to_bytes() == b""
