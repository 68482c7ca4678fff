"""A run's summary in Markdown, and the lists and tables that every page in Markdown is made of.

File names and messages come from outside: nothing in them may be Markdown or HTML.
"""

from collections.abc import Iterable, Mapping, Sequence

from tasks.report.summary import COLUMNS, RunSummary, missed_target, reason, table_row
from tasks.store.objects import ObjectStore, put_anew
from tasks.wording import counted


def run_facts(summary: RunSummary) -> list[str]:
    """The facts of a run, as a list in Markdown."""
    lines = {
        "source": summary.source,
        "store": summary.store,
        "config": summary.config,
        "plan": summary.plan,
        "run": f"{summary.run_id}, {summary.wall_seconds:.1f} s, of which fits took "
        f"{summary.fit_seconds:.1f} s over all workers",
    }
    return markdown_list(lines)


def size_facts(summary: RunSummary) -> list[str]:
    """What the originals of a run of one setting became; nothing where none was archived."""
    return markdown_list({"size": summary.sizes()}) if summary.n_archived else []


def markdown(summary: RunSummary) -> str:
    """The summary of a run, as the store's report shows it."""
    rows = summary.records()
    lines = [f"# {summary.headline()}", "", *run_facts(summary), *size_facts(summary)]
    if rows:
        cells = [
            (*table_row(outcome).values(), reason(outcome) or missed_target(outcome)) for outcome in rows
        ]
        lines += ["", *markdown_table((*COLUMNS, "reason"), cells)]
    if len(rows) < summary.n_done:
        lines += ["", f"The catalogue has {counted(summary.n_done - len(rows), 'more row')}."]
    return "\n".join([*lines, *known_bad_facts(summary)]) + "\n"


def known_bad_facts(summary: RunSummary) -> list[str]:
    """The files that a run left alone, under a heading; nothing where there is none."""
    if not summary.n_known_bad:
        return []
    more = summary.n_known_bad - len(summary.known_bad)
    lines = [f"- {markdown_cell(path)}: {markdown_cell(why)}" for path, why in summary.known_bad]
    heading = ["", "## Known to be bad, and left alone", ""]
    return [*heading, *lines, *([f"- and {more} more"] if more else [])]


def store_report(store: ObjectStore, summary: RunSummary) -> str:
    """Write the Markdown summary into the store; returns its key."""
    key = f"reports/{summary.run_id}.md"
    put_anew(store, key, markdown(summary).encode())
    return key


def markdown_list(facts: Mapping[str, object]) -> list[str]:
    """The lines of a list: each fact's name and value."""
    return [f"- {name}: {markdown_cell(str(value))}" for name, value in facts.items()]


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    cells = [columns, ["---"] * len(columns), *([markdown_cell(value) for value in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in cells]


def markdown_cell(text: str) -> str:
    """The text with its Markdown and HTML escaped, on one line."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return "".join(f"\\{c}" if c in "\\|`*_[]" else c for c in escaped)
