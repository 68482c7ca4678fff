"""Files that a decoder must refuse: one rule of FORMAT.md broken in each, and no rule without a file."""

import ast
import inspect
import json
import zlib
from pathlib import Path

import pytest

import inr
from inr import BitstreamError, decode
from inr.bitstream import varint
from tests import reference_decoder
from tests.inr.conftest import VECTORS
from tests.vectors.forging.raw import (
    MATRIX,
    OFFSET,
    PHASE,
    changed,
    cnn_file,
    colour_prior,
    file,
    mlp_file,
    n_matrices,
)
from tests.vectors.forging.refusals import cases
from tests.vectors.forging.rules import NO_RULES, OF_PRIORS, RULES, rules_on

PAGE = (Path(__file__).parents[2] / "inr" / "FORMAT.md").read_text(encoding="utf-8")
FOLDER = VECTORS / "refused"
INDEX = json.loads((FOLDER / "refused.json").read_text())
# Names that the second decoder gives to rules for each matrix, and what is true whatever the bytes are.
FOR_EACH_MATRIX = "sum of "


def test_every_file_is_listed_and_made_from_its_case() -> None:
    made = cases()
    assert {path.stem for path in FOLDER.glob("*.inr")} == set(INDEX) == set(made)
    for name, case in made.items():
        assert {"error": case.error, "rule": case.rule} == INDEX[name]


@pytest.mark.parametrize("name", INDEX)
def test_a_file_is_made_again_as_it_is(name: str) -> None:
    assert cases()[name].make() == (FOLDER / f"{name}.inr").read_bytes()


@pytest.mark.parametrize("name", INDEX)
def test_both_decoders_refuse_it_for_the_rule_that_it_breaks(name: str) -> None:
    data = (FOLDER / f"{name}.inr").read_bytes()
    with pytest.raises(BitstreamError) as refused:
        decode(data)
    assert type(refused.value) is getattr(inr, INDEX[name]["error"])
    with pytest.raises(reference_decoder.Refused) as refused_too:
        reference_decoder.decode(data)
    assert str(refused_too.value) == INDEX[name]["rule"]


# A fault for each thing that is checked, in the order of the page: how the two decoders name it, and what is
# otherwise in a file with it. Those of the frame come after these and are made of the whole file.
PARTS = {
    "mlp": [
        ("width", "width", {"width": varint(0)}),
        ("header: expected", "bytes after the payload", {"after": b"\0"}),
        ("payload: expected whole", "payload of whole words", {"payload": b"\0"}),
        ("metadata: not a zlib stream", "zlib stream", {"metadata": varint(1) + bytes(2) + b"none"}),
        ("neurons", "neurons", {"architecture": bytes([0, 1, 1, 1])}),
        ("step", "step", {"tensors": changed(MATRIX, 0, 128) + PHASE + MATRIX + OFFSET}),
        (
            "work",
            "work",
            {"architecture": varint(512) + bytes([1, 1, 1]), "width": varint(65535), "height": varint(1023)},
        ),
        ("payload: expected the 0", "payload of no symbols", {"payload": bytes(4)}),
    ],
    "cnn": [
        ("height", "height", {"height": varint(0)}),
        ("header: expected", "bytes after the payload", {"after": b"\0"}),
        ("payload: expected whole", "payload of whole words", {"payload": b"\0"}),
        ("metadata: not a zlib stream", "zlib stream", {"metadata": varint(1) + bytes(2) + b"none"}),
        ("gain", "gain", {"architecture": bytes([1, colour_prior().number, 25])}),
        ("reach", "reach", {"tensors": bytes(2 * n_matrices(colour_prior())) + varint(1024)}),
        ("work", "work", {"width": varint(8192), "height": varint(8192)}),
        ("payload: expected the 0", "payload of no symbols", {"payload": bytes(4)}),
    ],
}
TWO_LEVELS = bytes([2, colour_prior().number, 12])
FAR = bytes(2 * n_matrices(colour_prior(), 2)) + varint(1024)  # of the first grid; the second has no reach
# What several fields have to keep to, and fields of one part: faults of both, of which the first is named.
BOTH = {
    "width, then height": ("width", "width", mlp_file(width=varint(0), height=b"\x80\0")),
    "payload's words, then no network": (
        *("payload: expected whole", "payload of whole words"),
        file(b"\0", b"", payload=b"\0", planes=1, constants=b"\7"),
    ),
    "no network, then metadata": (
        *("architecture: expected no bytes", "sections without a network"),
        file(b"\0", b"", metadata=bytes(3), planes=1, constants=b"\7"),
    ),
    "length of a profile, then no more": ("ICC length", "n_icc", mlp_file(metadata=varint(2**24 + 1))),
    "neurons, then no more": ("neurons", "neurons", mlp_file(varint(0))),
    "end of an architecture, then its highest frequency": (
        *("architecture: expected 4 bytes", "bytes after the architecture"),
        mlp_file(bytes([1, 1, 26, 2, 0])),
    ),
    "levels, then no more": ("levels", "levels", cnn_file(bytes([0]))),
    "exponent, then no more": ("context0 exponent", "exponent", cnn_file(tensors=bytes([16]))),
    "reach, then no more": ("reach", "reach", cnn_file(tensors=FAR, architecture=TWO_LEVELS)),
}


def first_is_named(data: bytes, words: str, rule: str) -> None:
    with pytest.raises(BitstreamError, match=words):
        decode(data)
    with pytest.raises(reference_decoder.Refused) as refused:
        reference_decoder.decode(data)
    assert str(refused.value) == rule


@pytest.mark.parametrize("family", PARTS)
@pytest.mark.parametrize("n", range(7))
def test_of_two_faults_in_neighbouring_parts_both_decoders_name_the_first(family: str, n: int) -> None:
    (words, rule, first), (_, _, second) = PARTS[family][n : n + 2]
    make = mlp_file if family == "mlp" else cnn_file
    first_is_named(make(**(second | first)), words, rule)


def test_the_frame_is_checked_from_its_magic_to_its_crc_and_before_all_else() -> None:
    data = mlp_file(width=varint(0))
    crc = zlib.crc32(data[:-4]) ^ 1
    data = data[:-4] + crc.to_bytes(4, "little")
    faults = [("CRC-32", "crc", data)]
    faults.append(("file: expected", "file too short", data[:-1]))
    faults.append(("version", "version", changed(data[:-1], 4, 2)))
    faults.append(("magic", "magic", changed(changed(data[:-1], 4, 2), 0, 0)))
    for words, rule, faulty in faults:
        first_is_named(faulty, words, rule)


@pytest.mark.parametrize("name", BOTH)
def test_of_two_faults_in_one_part_both_decoders_name_the_first(name: str) -> None:
    words, rule, data = BOTH[name]
    first_is_named(data, words, rule)


def test_every_rule_of_the_page_has_its_files() -> None:
    keys, used = [*RULES, *NO_RULES], set[tuple[str, str]]()
    for section, text in rules_on(PAGE):
        found = [key for key in keys if key[0] == section and text.startswith(key[1])]
        assert len(found) == 1, (section, text)
        used |= set(found)
    assert used == set(keys)
    vectors = json.loads((VECTORS / "vectors.json").read_text())
    for rule, names in RULES.items():
        assert names
        assert all(name in INDEX or name in vectors for name in names), rule


def test_every_file_stands_for_a_rule() -> None:
    named = {name for names in RULES.values() for name in names}
    assert not {name for name in INDEX if name not in named and not OF_PRIORS.fullmatch(name)}


def test_every_check_of_the_second_decoder_refuses_a_file() -> None:
    rules = set()
    for node in ast.walk(ast.parse(inspect.getsource(reference_decoder))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "_must",
            "Refused",
            "a.end",
            "side.end",
            "body.end",
        }:
            rules |= {ast.literal_eval(each) for each in node.args if isinstance(each, ast.Constant)}
    rules = {rule for rule in rules if isinstance(rule, str)}
    found = {entry["rule"] for entry in INDEX.values()}
    unknown = set() if "cnn_levels_of_the_prior" in INDEX else {"levels of the prior"}
    assert rules <= found | unknown
    assert {rule for rule in found - rules if not rule.startswith(FOR_EACH_MATRIX)} == set()


def test_the_folder_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.inr")) < 100_000
