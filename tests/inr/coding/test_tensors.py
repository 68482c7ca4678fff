import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.coding.coder import PayloadReader, PayloadWriter
from inr.coding.tensors import Geometric, Increments, TensorCoding, Uniform
from inr.errors import InvalidField
from inr.mlp.architecture import TensorSpec
from inr.mlp.fit.encoder import coding_of


def coding(symbols: np.ndarray, name: str = "sine1.weight") -> TensorCoding:
    return coding_of(TensorSpec(name, symbols.shape), symbols)


def encode_tensors(tensors: Sequence[np.ndarray], codings: Sequence[TensorCoding]) -> bytes:
    writer = PayloadWriter()
    for tensor, its_coding in zip(tensors, codings, strict=True):
        its_coding.write(writer, tensor)
    return writer.to_bytes()


def decode_tensors(
    payload: bytes, shapes: Sequence[tuple[int, ...]], codings: Sequence[TensorCoding]
) -> list[np.ndarray]:
    reader = PayloadReader(payload)
    return [its_coding.read(reader, shape) for shape, its_coding in zip(shapes, codings, strict=True)]


@st.composite
def tensors(draw: st.DrawFn) -> tuple[np.ndarray, TensorCoding]:
    name = draw(st.sampled_from(["sine1.weight", "sine1.phase", "output.offset"]))
    is_matrix = name == "sine1.weight"
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 50))) if is_matrix else (draw(st.integers(1, 40)),)
    bound = draw(st.sampled_from([0, 1, 5, 300, 2047]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    symbols = rng.integers(-bound, bound + 1, shape, dtype=np.int32)
    symbols = np.cumsum(np.abs(symbols), dtype=np.int32) if name == "sine1.phase" else symbols
    return symbols, coding(symbols, name)


@given(st.lists(tensors(), min_size=1, max_size=5))
def test_what_is_coded_is_decoded(drawn: list[tuple[np.ndarray, TensorCoding]]) -> None:
    symbols, codings = [tensor for tensor, _ in drawn], [coding for _, coding in drawn]
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
    payload = encode_tensors([matrix, vector], [Geometric(17, -7, 5), Uniform(-4, 4)])
    assert np.frombuffer(payload, "<u4").tolist() == [2493319329, 1011898685]


def test_size_matches_the_information_of_the_tables() -> None:
    rng = np.random.default_rng(3)
    symbols = np.rint(rng.laplace(0, 6, (60, 60))).astype(np.int32)
    bits = coding(symbols).bits(symbols)
    assert 8 * len(encode_tensors([symbols], [coding(symbols)])) == pytest.approx(bits, abs=96)
    assert bits / symbols.size == pytest.approx(np.log2(2 * np.e * 6), rel=0.02)  # a Laplace's entropy


@pytest.mark.parametrize("n_levels", [20, 100, 1000])
def test_sorted_phases_cost_what_their_order_tells_less(n_levels: int) -> None:
    """Not log2(levels) each: n! orders of n phases are one network. The law itself costs little."""
    phases = np.sort(np.random.default_rng(5).integers(0, n_levels + 1, 64)).astype(np.int32)
    bits = coding(phases, "sine1.phase").bits(phases)
    multisets = math.log2(math.comb(n_levels + 64, 64))
    assert 8 * len(encode_tensors([phases], [coding(phases, "sine1.phase")])) == pytest.approx(bits, abs=64)
    assert multisets - 12 < bits < multisets + 12


def test_columns_of_unequal_scale_cost_less_than_one_scale_would() -> None:
    rng = np.random.default_rng(3)
    symbols = np.rint(rng.laplace(0, 2.0 ** np.arange(-1, 7)[None].repeat(8, axis=1), (64, 64))).astype(
        np.int32
    )
    bits = coding(symbols).bits(symbols)
    mixed = np.log2(2 * np.e * np.abs(symbols).mean()) * symbols.size
    assert bits < 0.85 * mixed


def test_a_constant_tensor_takes_no_bits() -> None:
    zeros = np.zeros((20, 20), dtype=np.int32)
    assert encode_tensors([zeros], [Geometric(0, 0, 0)]) == b""
    assert Geometric(0, 0, 0).bits(zeros) == 0
    assert Increments(0, 0).bits(zeros[0]) == Uniform(3, 3).bits(zeros[0]) == 0


def test_an_impossible_payload_is_refused() -> None:
    """No encoder leads the decoder's quantile to 2**24."""
    with pytest.raises(InvalidField, match="payload"):
        decode_tensors(b"\xff" * 8, [(4,)], [Uniform(-1, 1)])


@given(st.binary(max_size=64))
def test_any_payload_decodes_or_is_refused(payload: bytes) -> None:
    payload = payload[: len(payload) // 4 * 4]
    codings = [Geometric(20, -3, 9), Geometric(3, 0, 0), Uniform(-2047, 2047)]
    phases = Increments(40, 2047)
    try:
        *found, ascending = decode_tensors(payload, [(5, 20), (3, 3), (30,), (50,)], [*codings, phases])
    except InvalidField:
        return
    assert all(t.min() >= c.low and t.max() <= c.high for t, c in zip(found, codings, strict=True))
    assert np.diff(ascending, prepend=0).min() >= 0
