import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.bitstream import TensorCoding
from inr.coder import decode_tensors, encode_tensors, tensor_bits
from inr.encoder import coding_of
from inr.errors import InvalidField


@st.composite
def tensors(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.one_of(st.tuples(st.integers(1, 40)), st.tuples(st.integers(1, 9), st.integers(1, 50))))
    bound = draw(st.sampled_from([0, 1, 5, 300, 2047]))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(-bound, bound + 1, shape, dtype=np.int32)


@given(st.lists(tensors(), min_size=1, max_size=5))
def test_what_is_coded_is_decoded(symbols: list[np.ndarray]) -> None:
    codings = [coding_of(tensor, 0) for tensor in symbols]
    payload = encode_tensors(symbols, codings)
    assert len(payload) % 4 == 0
    for found, expected in zip(
        decode_tensors(payload, [t.shape for t in symbols], codings), symbols, strict=True
    ):
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, expected)


def test_the_words_of_a_payload_are_these() -> None:
    """A change here is a change of bits: it needs a new format version."""
    matrix = np.array([[0, 1, -2, 3], [5, 0, 0, -1], [-7, 2, 1, 0]], dtype=np.int32)
    vector = np.array([4, -4, 0, 2], dtype=np.int32)
    payload = encode_tensors([matrix, vector], [TensorCoding(0, -7, 5, 17), TensorCoding(0, -4, 4)])
    assert np.frombuffer(payload, "<u4").tolist() == [2493319329, 1011898685]


def test_size_matches_the_information_of_the_tables() -> None:
    rng = np.random.default_rng(3)
    symbols = np.rint(rng.laplace(0, 6, (60, 60))).astype(np.int32)
    coding = coding_of(symbols, 0)
    bits = tensor_bits(symbols, coding)
    assert 8 * len(encode_tensors([symbols], [coding])) == pytest.approx(bits, abs=96)
    assert bits / symbols.size == pytest.approx(np.log2(2 * np.e * 6), rel=0.02)  # a Laplace's entropy


def test_columns_of_unequal_scale_cost_less_than_one_scale_would() -> None:
    rng = np.random.default_rng(3)
    symbols = np.rint(rng.laplace(0, 2.0 ** np.arange(-1, 7)[None].repeat(8, axis=1), (64, 64))).astype(
        np.int32
    )
    bits = tensor_bits(symbols, coding_of(symbols, 0))
    mixed = np.log2(2 * np.e * np.abs(symbols).mean()) * symbols.size
    assert bits < 0.85 * mixed


def test_a_constant_tensor_takes_no_bits() -> None:
    zeros = np.zeros((20, 20), dtype=np.int32)
    assert encode_tensors([zeros], [TensorCoding(0, 0, 0, 0)]) == b""
    assert tensor_bits(zeros, TensorCoding(0, 0, 0, 0)) == 0


def test_an_impossible_payload_is_refused() -> None:
    """No encoder leads the decoder's quantile to 2**24."""
    coding = TensorCoding(0, -1, 1)
    with pytest.raises(InvalidField, match="payload"):
        decode_tensors(b"\xff" * 8, [(4,)], [coding])


@given(st.binary(max_size=64))
def test_any_payload_decodes_or_is_refused(payload: bytes) -> None:
    payload = payload[: len(payload) // 4 * 4]
    codings = [TensorCoding(0, -3, 9, 20), TensorCoding(0, 0, 0, 3), TensorCoding(0, -2047, 2047)]
    try:
        found = decode_tensors(payload, [(5, 20), (3, 3), (30,)], codings)
    except InvalidField:
        return
    assert all(t.min() >= c.low and t.max() <= c.high for t, c in zip(found, codings, strict=True))
