"""SQL over a catalogue. The only importer of duckdb.

Four tables: ``images``, the row that counts of each image under each config, unless it was given up;
``all_images``, every row; ``history``; ``audits``. Times are UTC, without a zone, since DuckDB leaves
zones to an extension. Parts are fetched through the store, so a folder and S3 are alike, and unpacked as
far as a query asks: memory holds the compressed parts and what the query keeps. Nothing outside can be
reached from a query, neither files nor extensions, and nothing is written.

duckdb is imported where it is called. As a global of a module that a run of Prefect holds a function of, it
would outlive Python, and complain of that in forty lines of a worker's log.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inr.errors import ConfigError
from tasks.catalogue import parts
from tasks.catalogue.audits import LOST
from tasks.errors import CatalogueError
from tasks.store.objects import ObjectStore

if TYPE_CHECKING:
    import duckdb

# Selects the rows that `lookup.latest` selects.
_LATEST = f"""
create view images as
with audited as (
    select key, checked_at, status from audits
    qualify row_number() over (partition by key order by checked_at desc) = 1
), found as (
    select all_images.*, lost.checked_at as lost_at,
        max(recorded_at) filter (where all_images.status <> 'failed') over (
            partition by coalesce(image_digest, source_uri), archive_digest
        ) as last_file_at
    from all_images left join audited as lost
        on lost.key = all_images.key and lost.status in ({", ".join(f"'{status}'" for status in LOST)})
)
select * exclude (lost_at, last_file_at) from found qualify row_number() over (
    partition by coalesce(image_digest, source_uri), archive_digest
    order by status = 'archived' and recorded_at = last_file_at
        and coalesce(lost_at <= verified_at, lost_at is null) desc, recorded_at desc
) = 1 and status <> 'dropped'
"""


@dataclass(frozen=True)
class Answer:
    """The rows of a query's answer, and the names of their columns."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """Each row as column → value."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Tables:
    """A catalogue that is fetched once and asked several times; `tables` opens it."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", url: str) -> None:
        self._connection = connection
        self._url = url

    def ask(self, sql: str, parameters: Sequence[Any] = ()) -> Answer:
        """The answer to one or more statements, of which the last one counts.

        Args:
            sql: Statements in DuckDB's dialect over ``images``, ``all_images``, ``history`` and ``audits``.
            parameters: Values for its question marks; then it is one statement.

        Raises:
            ConfigError: The query is wrong, or asks for something that is not allowed.
            CatalogueError: A part is damaged.
        """
        import duckdb

        try:
            answer = self._connection.execute(sql, parameters or None)
            if answer is None:
                raise ConfigError("query: expected a statement, found none")
            columns = tuple(column[0] for column in answer.description or ())
            return Answer(columns, answer.fetchall())
        except duckdb.Error as error:
            # Only the text of the error says that Arrow could not go on reading a part.
            if "reading the stream registered as" in str(error):
                raise CatalogueError(f"{self._url}: a part is damaged: {error}") from error
            raise ConfigError(f"query: {error}") from error


@contextmanager
def tables(store: ObjectStore) -> Iterator[Tables]:
    """The tables of a store's catalogue, while the body runs.

    Raises:
        CatalogueError, StorageError: The catalogue cannot be read.
    """
    import duckdb

    found = {
        "all_images": parts.dataset(store, parts.IMAGES),
        "history": parts.dataset(store, parts.HISTORY),
        "audits": parts.dataset(store, parts.AUDITS),
    }
    with duckdb.connect(config={"enable_external_access": False}) as connection:
        for name, table in found.items():
            connection.register(name, table)
        connection.execute(_LATEST)
        connection.execute("set lock_configuration = true")
        yield Tables(connection, store.url)


def query(store: ObjectStore, sql: str) -> Answer:
    """The answer to a query of a store's catalogue. Raises as `tables` and `Tables.ask`."""
    with tables(store) as found:
        return found.ask(sql)
