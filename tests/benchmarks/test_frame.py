import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import inr
from benchmarks import frame
from benchmarks.frame import (
    Origin,
    code_digest,
    codec_digest,
    command,
    number,
    numbers,
    read,
    result_file,
    table,
)

ORIGIN = Origin(
    "2000-01-01", {"cpu": "a processor", "cores": 2, "architecture": "x"}, {"inr": "1"}, "0123", "a b"
)


@dataclass(frozen=True)
class Found:
    seconds: float
    pairs: list[tuple[float, float]]


def run(tmp_path: Path, *words: str) -> Found:
    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--n", type=int)
        parser.add_argument("--where", type=Path)

    def page(found: Found, arguments: argparse.Namespace) -> list[str]:
        return ["# Title", f"{found.seconds} s for {arguments.n}"]

    return frame.run(
        "benchmarks.x",
        [*words, "--out", str(tmp_path / "results" / "x_0.5")],
        options=options,
        measure=lambda arguments: Found(0.5 * arguments.n, [(1, 2)]),
        page=page,
    )


def test_a_program_leaves_what_it_measured_and_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--n", "3", "--where", "/a/b", "--other-work", "none") == Found(1.5, [(1, 2)])
    values = json.loads((tmp_path / "results" / "x_0.5.json").read_text(encoding="utf-8"))
    assert (values["seconds"], values["pairs"], values["settings"]) == (1.5, [[1, 2]], {"n": 3, "where": "b"})
    assert values["command"] == "python -m benchmarks.x --n 3 --where b --other-work none --out x_0.5"
    page = (tmp_path / "results" / "x_0.5.md").read_text(encoding="utf-8")
    assert page.startswith(f"# Title\n\n- Date: {values['date']}\n- Machine: ")
    assert "meanwhile: none; its load" in page
    assert page.endswith("\n1.5 s for 3\n")
    assert capsys.readouterr().out == f"{page}\n"


def test_what_a_program_has_so_far_is_written_each_time(tmp_path: Path) -> None:
    def measure(_: argparse.Namespace) -> Iterator[Found]:
        yield Found(1.0, [])
        yield Found(2.0, [])
        assert '"seconds": 2.0' in (tmp_path / "x.json").read_text(encoding="utf-8")
        raise TimeoutError

    with pytest.raises(TimeoutError):
        frame.run(
            "benchmarks.x",
            ["--out", str(tmp_path / "x")],
            options=lambda _: None,
            measure=measure,
            page=lambda found, _: ["# Title", f"{found.seconds} s"],
        )
    assert (tmp_path / "x.md").read_text(encoding="utf-8").endswith("\n2.0 s\n")


def test_a_program_states_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        frame.run("x", [], options=lambda _: None, measure=Found, page=list)  # type: ignore[arg-type]


def test_the_origin_names_machine_versions_and_command() -> None:
    assert ORIGIN.headline() == [
        "- Date: 2000-01-01",
        "- Machine: a processor, 2 cores, x",
        "- Versions: inr 1; code 0123",
        "- Command: `a b`",
        "- Other work on the machine meanwhile: not noted; its load at the end: –",
    ]


def test_commands_name_no_place_of_this_machine() -> None:
    words = ["--images", "/somewhere/kodak", "--out", "benchmarks/results/rd"]
    expected = "python -m benchmarks.rd --images kodak --out benchmarks/results/rd"
    assert command("benchmarks.rd", words) == expected


@pytest.mark.parametrize("changed", ["a.py", "family/fit/deep.py", "family/priors.json"])
def test_a_change_anywhere_in_the_code_changes_its_digest(tmp_path: Path, changed: str) -> None:
    for name in ("a.py", "family/fit/deep.py", "family/priors.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    before = code_digest(tmp_path)
    (tmp_path / changed).write_text("2")
    assert code_digest(tmp_path) != before
    (tmp_path / changed).write_text("1")
    assert code_digest(tmp_path) == before


def test_a_module_that_moves_changes_the_digest_and_a_comment_does_not(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "README.md").write_text("no code")
    before = code_digest(tmp_path)
    (tmp_path / "a.py").write_text("x = (1)  # a comment")
    (tmp_path / "README.md").write_text("nor is this")
    assert code_digest(tmp_path) == before
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert code_digest(tmp_path) != before


def test_the_codec_is_every_module_of_inr_and_its_priors() -> None:
    [folder] = inr.__path__
    assert codec_digest() == code_digest(Path(folder))
    assert any(Path(folder).rglob("priors.json"))


def test_pairs_are_on_one_line() -> None:
    text = frame.to_json({"a": [[0.5, -1e-07], [1, 2]]})
    assert text == '{\n "a": [\n  [0.5, -1e-07],\n  [1, 2]\n ]\n}\n'


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (-41.23, "-41.2 %")])
def test_a_number_that_is_not_there_is_a_dash(value: float | None, text: str) -> None:
    assert number(value, 1, " %") == text


def test_tables_and_lists_of_numbers() -> None:
    assert table(("a", "b"), [["1", "2"]]) == ["", "| a | b |", "| :-- | --: |", "| 1 | 2 |"]
    assert numbers([1, 2.25]) == "1.0, 2.2"


def test_a_dot_in_the_name_of_a_result_stays() -> None:
    assert result_file(Path("a/x_0.5"), ".md") == Path("a/x_0.5.md")


def test_what_json_has_becomes_a_dataclass_again() -> None:
    assert read(Found, {"seconds": 1, "pairs": [], "other": 2}) == Found(1, [])


def test_the_mean_of_ratios_has_its_standard_error_where_there_are_several() -> None:
    assert frame.mean_of_ratios([0.9, 1.0, 1.1]) == "1.000 ± 0.058"
    assert frame.mean_of_ratios([0.5]) == "0.500"
    assert frame.standard_error([0.5]) is None
