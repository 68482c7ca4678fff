"""Files that a decoder must refuse: one rule of FORMAT.md broken in each, and no rule without a file."""

import ast
import inspect
import json
from pathlib import Path

import pytest

import inr
from inr import BitstreamError, decode
from tests import reference_decoder
from tests.inr.conftest import VECTORS
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
