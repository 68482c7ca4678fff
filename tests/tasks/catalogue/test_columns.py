import re
from pathlib import Path

import pytest

import tasks.catalogue
from tasks.catalogue.columns import AUDITS_COLUMNS, HISTORY_COLUMNS, IMAGES_COLUMNS, TableColumns

DOCUMENT = Path(tasks.catalogue.__file__).with_name("CATALOGUE.md").read_text()
TABLES = [("images", IMAGES_COLUMNS), ("history", HISTORY_COLUMNS), ("audits", AUDITS_COLUMNS)]


def documented(table: str) -> tuple[tuple[str, str, bool], ...]:
    section = DOCUMENT.split(f"## `{table}`")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (yes|no) \| .+ \|$", section, re.MULTILINE)
    return tuple((name, kind.replace("\\", ""), null == "yes") for name, kind, null in rows)


@pytest.mark.parametrize(("table", "known"), TABLES)
def test_the_document_promises_these_columns_in_this_order(table: str, known: TableColumns):
    assert documented(table) == known.columns
    assert f"## `{table}`, version {known.version}" in DOCUMENT


@pytest.mark.parametrize(("table", "known"), TABLES)
def test_every_table_begins_with_its_version_and_the_run(table: str, known: TableColumns):
    assert known.columns[:2] == (("schema_version", "int16", False), ("run_id", "string", False))
    assert len(set(known.names)) == len(known.columns)
    assert known.names == tuple(name for name, _, _ in known.columns)


def test_columns_that_several_tables_share_have_one_type():
    types: dict[str, set[str]] = {}
    for _, known in TABLES:
        for name, kind, _ in known.columns:
            types.setdefault(name, set()).add(kind)
    assert {name for name, kinds in types.items() if len(kinds) > 1} == set()
