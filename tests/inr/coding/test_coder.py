import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.coding.coder import PayloadReader, PayloadWriter, information, table
from inr.coding.pmf import geometric_counts, uniform_counts
from inr.errors import InvalidField

TABLES = np.stack([geometric_counts(index, 0, 8) for index in (4, 20, 40)]).astype(np.float64)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8)), max_size=60))
def test_symbols_under_tables_of_their_own_are_read_as_written(drawn: list[tuple[int, int]]) -> None:
    laws = np.array([law for law, _ in drawn], dtype=np.int32)
    symbols = np.array([symbol for _, symbol in drawn], dtype=np.int32)
    writer = PayloadWriter()
    writer.each(symbols, TABLES, laws)
    np.testing.assert_array_equal(PayloadReader(writer.to_bytes()).each(TABLES, laws), symbols)


def test_all_kinds_of_symbols_share_one_coder() -> None:
    uniform, geometric = table(uniform_counts(9)), table(geometric_counts(10, 0, 8))
    laws = np.array([0, 1, 2], dtype=np.int32)
    writer = PayloadWriter()
    writer.block([3, 1], [uniform, geometric])
    writer.all(np.array([8, 0, 4], dtype=np.int32), uniform)
    writer.each(np.array([2, 0, 1], dtype=np.int32), TABLES, laws)
    reader = PayloadReader(writer.to_bytes())
    assert reader.block([uniform, geometric]) == [3, 1]
    assert reader.all(uniform, 3).tolist() == [8, 0, 4]
    assert reader.each(TABLES, laws).tolist() == [2, 0, 1]


def test_an_impossible_payload_is_refused_by_every_way_of_reading() -> None:
    """No encoder leads the decoder's quantile to 2**24."""
    uniform, laws = table(uniform_counts(3)), np.zeros(4, dtype=np.int32)
    with pytest.raises(InvalidField, match="payload"):
        PayloadReader(b"\xff" * 8).all(uniform, 4)
    with pytest.raises(InvalidField, match="payload"):
        PayloadReader(b"\xff" * 8).block([uniform] * 4)
    with pytest.raises(InvalidField, match="payload"):
        PayloadReader(b"\xff" * 8).each(TABLES, laws)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8)), max_size=60))
def test_symbols_have_one_payload(drawn: list[tuple[int, int]]) -> None:
    """Neither more words nor fewer nor others: with a bit changed it holds other symbols, or is refused."""
    laws = np.array([law for law, _ in drawn], dtype=np.int32)
    symbols = np.array([symbol for _, symbol in drawn], dtype=np.int32)
    writer = PayloadWriter()
    writer.each(symbols, TABLES, laws)
    payload = writer.to_bytes()
    assert ends(payload, laws).tolist() == symbols.tolist()
    assert len(payload) == 4 * writer.n_words
    for longer in (b"\0\0\0\0", b"\1\0\0\0", b"hide nothing"):
        assert ends(payload + longer, laws) is None
    for n_bytes in range(0, len(payload), 4):
        assert ends(payload[:n_bytes], laws) is None
    for bit in range(8 * len(payload)):
        changed = bytearray(payload)
        changed[bit // 8] ^= 1 << bit % 8
        found = ends(bytes(changed), laws)
        assert found is None or found.tolist() != symbols.tolist()


def ends(payload: bytes, laws: np.ndarray) -> np.ndarray | None:
    """The symbols of a payload that ends where they do, else None."""
    try:
        reader = PayloadReader(payload)
        symbols = reader.each(TABLES, laws)
        reader.end()
    except InvalidField:
        return None
    return symbols


def test_words_that_no_symbol_takes_are_named() -> None:
    uniform = table(uniform_counts(9))
    writer = PayloadWriter()
    writer.all(np.zeros(40, dtype=np.int32), uniform)
    payload = writer.to_bytes()
    reader = PayloadReader(payload + bytes(8))
    reader.all(uniform, 40)
    n_words = len(payload) // 4
    with pytest.raises(InvalidField, match=f"the {n_words} words that its symbols take, found {n_words + 2}"):
        reader.end()
    with pytest.raises(InvalidField, match="expected the 0 words"):
        PayloadReader(bytes(4)).end()


def test_a_payload_that_ends_early_is_refused_before_all_symbols_are_read() -> None:
    """So a small file does not make its reader code millions of symbols again."""
    reader, laws = PayloadReader(bytes(4)), np.zeros(100, dtype=np.int32)
    tables = np.array([[1.0, (1 << 20) - 1]])
    reader.each(tables, laws)  # of 20 bits each
    with pytest.raises(InvalidField, match="payload: ends before its symbols do, after 4 bytes"):
        reader.each(tables, laws)


def test_information_is_that_of_the_boundaries() -> None:
    bits = information(uniform_counts(4))
    np.testing.assert_allclose(bits, 2, atol=1e-5)
    assert information(TABLES.astype(np.int64)).shape == TABLES.shape
