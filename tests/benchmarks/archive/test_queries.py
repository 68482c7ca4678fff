import argparse
from pathlib import Path

from benchmarks.archive.queries import QUERIES, Catalogue, Result, page, write_parts
from tasks.catalogue.query import query
from tasks.store.folder import LocalStore


def test_every_query_finds_rows(tmp_path: Path):
    write_parts(tmp_path, n_rows=400, rows_per_part=64)
    assert all(query(LocalStore(tmp_path), sql).rows for sql in QUERIES.values())


def test_the_page_has_the_seconds_of_each_query_on_both_sides():
    before, after = (Catalogue(n, 2.0, {name: [n / 10, 1.0] for name in QUERIES}) for n in (7, 1))
    result = Result(write_seconds=3, compact_seconds=4, before=before, after=after, start_seconds=[0.25])
    lines = page(result, argparse.Namespace(n_rows=400, rows_per_part=64))
    assert lines[0] == "# Queries over 400 rows"
    assert "| query | before: 7 parts, 2 MiB | after: 1 parts, 2 MiB |" in lines
    assert f"| every row: `{QUERIES['every row']}` | 0.7, 1.0 | 0.1, 1.0 |" in lines
