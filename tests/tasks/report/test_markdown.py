from pathlib import Path

import pytest

from tasks.report import summary as totals
from tasks.report.markdown import (
    known_bad_facts,
    markdown,
    markdown_cell,
    markdown_list,
    markdown_table,
    run_facts,
    size_facts,
    store_report,
)
from tasks.report.summary import COLUMNS, RunSummary
from tasks.store.folder import LocalStore
from tests.tasks.rows import archived, failed


def summary_of(n_planned: int = 3) -> RunSummary:
    return RunSummary("run", "photos", "store", "mlp draft", "3 to archive", n_planned)


def test_nothing_in_a_name_is_markdown_or_html():
    summary = summary_of()
    hostile = "<script>|`a`[x](y)*"
    summary.add(archived(source_path=hostile))
    text = markdown(summary)
    assert r"&lt;script>\|\`a\`\[x\](y)\*" in text
    assert hostile not in text


def test_the_report_is_in_the_store_and_that_of_the_last_attempt_of_a_run_stays(tmp_path: Path):
    summary, store = summary_of(), LocalStore(tmp_path)
    for name in ("a", "b"):
        summary.add(archived(name))
        key = store_report(store, summary)
        assert store.get(key, max_bytes=10_000).decode() == markdown(summary)


def test_failures_come_first_with_their_reason():
    summary = summary_of()
    summary.add(archived("a.png"))
    summary.add(failed("z.png"))
    header, _, first, second = markdown(summary).splitlines()[-4:]
    assert header == f"| {' | '.join((*COLUMNS, 'reason'))} |"
    assert first.startswith("| z.png | ")
    assert first.endswith("| FAILED | ValueError: no |")
    assert second.endswith("| yes |  |")


def test_rows_that_are_not_shown_are_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(totals, "KEPT_ROWS", 2)
    summary = summary_of(6)
    for n in range(3):
        summary.add(archived(f"{n}"))
        summary.add(failed(f"failed {n}"))
    assert "The catalogue has 2 more rows." in markdown(summary)


def test_a_run_without_rows_has_its_facts_and_no_table():
    summary = RunSummary("run", "photos", "store", "mlp draft", "0 to archive", n_before=2, wall_seconds=1.25)
    assert markdown(summary).splitlines() == [
        "# nothing to do: 2 images archived already",
        "",
        "- source: photos",
        "- store: store",
        "- config: mlp draft",
        "- plan: 0 to archive",
        "- run: run, 1.2 s, of which fits took 0.0 s over all workers",
    ]


def test_what_is_known_to_be_bad_is_listed_and_what_is_not_listed_is_counted():
    summary = summary_of()
    assert known_bad_facts(summary) == []
    summary.n_known_bad, summary.known_bad = 3, [("a|b.png", "no\nimage")]
    assert known_bad_facts(summary)[3:] == [r"- a\|b.png: no image", "- and 2 more"]
    assert markdown(summary).endswith("\n".join(known_bad_facts(summary)) + "\n")


def test_sizes_are_facts_of_a_run_that_archived_something():
    summary = summary_of()
    summary.add(archived())
    assert size_facts(summary) == [f"- size: {summary.sizes()}"]
    assert size_facts(summary)[0] in markdown(summary).splitlines()
    assert size_facts(summary_of()) == []
    assert not [line for line in run_facts(summary) if "originals" in line]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("plain name.png", "plain name.png"),
        ("a|b", r"a\|b"),
        ("<b>&", "&lt;b>&amp;"),
        ("two\nlines", "two lines"),
        (r"back\slash", r"back\\slash"),
        ("*_`[x]", r"\*\_\`\[x\]"),
    ],
)
def test_a_cell_is_text_whatever_it_holds(text: str, cell: str):
    assert markdown_cell(text) == cell


def test_lists_and_tables_escape_what_they_hold():
    assert markdown_list({"n": 3, "name": "a|b"}) == ["- n: 3", r"- name: a\|b"]
    assert list(markdown_table(("a", "b"), [("1", "x|y")])) == ["| a | b |", "| --- | --- |", r"| 1 | x\|y |"]
