"""The page: everything that a report has, put into its template. The only importer of jinja2.

One file that asks for nothing else: styles, script and pictures are in it. Pages in a store share the script
that draws charts, which is many times as large as such a page: it lies beside them. Names and messages come
from outside, so the template escapes whatever it is given, and the page's own policy allows a browser only
the scripts that carry its nonce, and no connection at all.
"""

import functools
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

import humanize
import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import inr
from inr.errors import ConfigError
from tasks.catalogue.query import tables
from tasks.catalogue.records import now
from tasks.catalogue.rows import archived_of
from tasks.report.html import charts, facts
from tasks.report.html.comparison import ComparedCurves, compare_curves
from tasks.report.html.facts import Facts
from tasks.report.html.pictures import shown_pair
from tasks.report.html.vega import VEGA_LITE, Chart, rate_text
from tasks.report.pairs import Pair, pairs
from tasks.settings import RunOptions
from tasks.store.objects import ObjectStore, put_anew
from tasks.wording import counted

N_WORST = 20
MAX_PIXELS_OF_A_RUN = 8_000_000


@dataclass(frozen=True)
class Report:
    """A page, and what it was made of.

    Attributes:
        html: The page.
        facts: The numbers on it.
        pairs: The images with the lowest PSNR, lowest first, as far as they can be shown.
    """

    html: str
    facts: Facts
    pairs: tuple[Pair, ...]

    @property
    def n_shown(self) -> int:
        """Number of images that are shown with pictures."""
        return sum(pair.reconstruction is not None for pair in self.pairs)


def make_report(
    store: ObjectStore,
    options: RunOptions,
    *,
    n_worst: int = N_WORST,
    run_id: str | None = None,
    max_pixels: int | None = None,
    script: str | None = None,
) -> Report:
    """The report of an archive, from its catalogue and, for pictures, its bitstreams and originals.

    Args:
        store: The archive.
        options: Limits of what is read of originals.
        n_worst: Number of images that are shown.
        run_id: The run whose rows count; all rows if not given.
        max_pixels: Most pixels of all images shown, since each is decoded; no limit if not given.
        script: Name of the file beside the page that draws charts; it is in the page if not given.

    Raises:
        ConfigError: The catalogue has no row.
        CatalogueError, StorageError: It cannot be read.
    """
    with tables(store) as asked:
        facts.pick(asked, run_id)
        numbers, comparison = facts.read_facts(asked), compare_curves(asked)
        worst = [archived_of(row) for row in facts.worst_rows(asked, n_worst)]
    if not numbers.totals.n_archived + numbers.totals.n_failed:
        expected = "an archive" if run_id is None else f"a run {run_id}"
        raise ConfigError(f"{store.url}: expected {expected}, found no row of a catalogue")
    found = tuple(pairs(store, worst, options, max_pixels))
    return Report(render(store.url, run_id, numbers, comparison, found, script), numbers, found)


def store_page(store: ObjectStore, run_id: str, options: RunOptions) -> Report:
    """Make the report of a run and write it into the store, under ``reports/<run id>.html``.

    The script that it shares with other reports is written first, once, if it has charts: its name is a
    digest of it.
    """
    code = _vega().encode()
    script = f"charts-{hashlib.sha256(code).hexdigest()[:16]}.js"
    report = make_report(store, options, run_id=run_id, max_pixels=MAX_PIXELS_OF_A_RUN, script=script)
    if f'src="{script}"' in report.html:
        store.put(f"reports/{script}", code)
    put_anew(store, f"reports/{run_id}.html", report.html.encode())
    return report


def render(
    store: str,
    run_id: str | None,
    numbers: Facts,
    comparison: ComparedCurves | None,
    shown: Sequence[Pair],
    script: str | None,
) -> str:
    """The page as HTML."""
    sections = {
        "scatters": charts.scatters(numbers.points),
        "histograms": _histograms(numbers),
        "curves": [charts.rd_curves(comparison)] if comparison else [],
        "histories": charts.histories(numbers.history),
    }
    template = _environment().get_template("report.html.j2")
    return template.render(
        store=store,
        run_id=run_id,
        made_at=now(),
        version=inr.__version__,
        nonce=secrets.token_urlsafe(16),
        script=script,
        vega=None if script else _vega(),
        facts=numbers,
        comparison=comparison,
        pairs=[shown_pair(pair) for pair in shown],
        **sections,
        specs=[chart.spec for drawn in sections.values() for chart in drawn],
    )


def _histograms(numbers: Facts) -> list[Chart]:
    if not numbers.psnr_bins:
        return []
    return [charts.psnr_histogram(numbers.psnr_bins), charts.rate_histogram(numbers.rate_bins)]


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tasks.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {
        "size": lambda n: humanize.naturalsize(n, format="%.1f").replace("Byte", "byte"),
        "count": _count,
        "counted": lambda n, noun: counted(n, noun).replace(str(n), _count(n), 1),
        "fixed": _fixed,
        "rate": lambda bpp: "–" if bpp is None else rate_text(bpp),
        "seconds": _seconds,
        "times": lambda ratio: "–" if ratio is None else f"{ratio:.1f}×",
        "time": lambda time: f"{time.replace(tzinfo=UTC):%Y-%m-%d %H:%M} UTC",
        "hours": _hours,
        "percent": lambda value: f"{value:+.1f} %".replace("-", "−"),
    }
    return environment


def _count(n: int) -> str:
    """A count, its digits in groups of three."""
    return f"{n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _fixed(value: float | None, digits: int) -> str:
    """A number with so many decimals, and a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _seconds(seconds: float | None) -> str:
    """Seconds, with more decimals where they are few."""
    return _fixed(seconds, 2 if not seconds or seconds >= 0.1 else 4)


def _hours(hours: float) -> str:
    """A length of time, in the unit that suits it."""
    if hours * 3600 < 1:
        return f"{_seconds(hours * 3600)} s"
    for factor, unit in ((3600, "s"), (60, "min")):
        if hours * factor < 100:
            return f"{hours * factor:.1f} {unit}"
    return f"{hours:.1f} h"


@functools.cache
def _vega() -> Markup:
    """The script that draws charts. Nothing in it may end the element that it is put into."""
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    return Markup(script.replace("</script", "<\\/script").replace("<!--", "<\\!--"))
