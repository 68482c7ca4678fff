import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.archive.here import database_mib, memory_over_time
from benchmarks.processes import Cost


def test_memory_is_stated_at_each_tenth_of_the_images():
    samples = [(float(second), 100.0 + second, 10.0) for second in range(0, 41, 5)]
    found = memory_over_time(Cost(0, 0, 0, samples=samples), [float(n) for n in range(20, 0, -1)])
    assert [done for done, _, _ in found] == [5, 5, 10, 10, 10, 15, 15, 20, 20, 20]
    assert found[0] == (5, 105.0, 10.0)
    assert found[-1] == (20, 120.0, 10.0)


def test_the_size_of_a_database_includes_its_log(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("pragma journal_mode=wal")
        database.execute("create table a (b blob)")
        database.execute("insert into a values (zeroblob(1048576))")
        database.commit()
        assert (tmp_path / "a.db").stat().st_size < 1 << 20
        assert 1 < database_mib(tmp_path / "a.db") < 1.1
