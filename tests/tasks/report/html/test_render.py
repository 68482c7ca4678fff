import json
import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import altair as alt
import pytest

from inr.errors import ConfigError
from tasks.catalogue.parts import IMAGES
from tasks.catalogue.records import LOSSLESS
from tasks.errors import CatalogueError
from tasks.report.html.render import make_report, store_page
from tasks.settings import RunOptions
from tasks.steps.commit import append
from tasks.store.locations import open_store
from tests.tasks.report.html.archive import fill, sweep_records
from tests.tasks.rows import archived, failed

OPTIONS = RunOptions(device="cpu")


class Page(HTMLParser):
    """The parts of a page that a browser would find."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    store = open_store(str(folder / "store"))
    fill(store, folder / "photos")
    return make_report(store, OPTIONS).html


def specs_of(html: str) -> list[dict[str, object]]:
    found = re.search(r'<script type="application/json" id="specs">(.*?)</script>', html)
    assert found is not None
    specs: list[dict[str, object]] = json.loads(found[1])
    return specs


def test_names_from_outside_are_text_and_no_elements(html: str):
    page = Page(html)
    assert len(page.all("script")) == 3
    assert {script.get("nonce") or script["id"] for script in page.all("script")} >= {"specs"}
    assert not [
        attributes for _, attributes in page.elements if any(name.startswith("on") for name in attributes)
    ]
    assert all((image["src"] or "").startswith("data:image/webp;base64,") for image in page.all("img"))
    for name in ('<script>document.title = "owned"</script>.png', r'a new\nline "and" {{ quotes }}.png'):
        assert name in page.text
        assert f"Original of plain/{name}" in {i["alt"] for i in page.all("img")} or "script" in name
    assert "<img src=x onerror=alert(1)>.jpg" in page.text
    assert "</script><script>alert(2)</script>" in page.text


def test_nothing_is_asked_of_a_network(html: str):
    page = Page(html)
    [policy] = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe-eval" not in policy
    assert page.all("link") == []
    assert all((link["href"] or "").startswith("#") for link in page.all("a"))


def test_every_page_has_a_nonce_of_its_own(tmp_path: Path):
    store = open_store(str(tmp_path))
    append(store, [archived()])
    nonces = {re.findall(r"nonce-([^']+)'", make_report(store, OPTIONS).html)[0] for _ in range(2)}
    assert len(nonces) == 2


def test_charts_are_valid_have_data_a_description_and_a_table(html: str):
    page, specs = Page(html), specs_of(html)
    places = [div for div in page.all("div") if "data-spec" in div]
    assert [place["data-spec"] for place in places] == [str(n) for n in range(len(specs))]
    assert all(place["role"] == "img" and place["aria-label"] for place in places)
    assert len(page.all("figure")) == len(specs) == 5  # two scatters, two distributions, the curves
    for spec in specs:
        alt.Chart.from_dict(spec)
        assert spec["data"]["values"]  # type: ignore[index]


def test_no_tip_has_a_field_that_would_be_loaded_as_a_picture(html: str):
    encodings: list[Any] = [spec["encoding"] for spec in specs_of(html)]
    titles = [tip.get("title", tip["field"]) for encoding in encodings for tip in encoding["tooltip"]]
    assert "path" in titles
    assert not {"image", "title"} & set(titles)


def test_a_screen_reader_finds_headings_labels_and_texts(html: str):
    page = Page(html)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(image["alt"] for image in page.all("img"))
    assert all(slider["aria-label"] for slider in page.all("input"))
    assert all(cell["scope"] for cell in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"] for link in page.all("a")} <= {f"#{name}" for name in ids}


def test_the_numbers_of_the_catalogue_are_on_the_page(html: str):
    text = Page(html).text
    assert "27 files under 6 settings" in text
    assert "All 6 settings can be compared: their numbers are over the same 4 images" in text
    assert "may be of different images" in text  # three images have one of the settings alone
    assert "−30.0 %" in text
    assert "over the 30.15 to 34.15 dB that both cover" in text
    assert "1 ValueError" in text
    assert html.count('class="before"') == 3
    assert text.count("The stored bitstream cannot be shown") == 4  # rows of the sweep have none


def tiles_of(html: str) -> dict[str, tuple[str, str]]:
    """Value and note by the name of each tile."""
    tile = r"<dt>(.*?)</dt><dd class=\"value\">(.*?)</dd><dd class=\"note\">(.*?)</dd>"
    return {name: (value, note) for name, value, note in re.findall(tile, html)}


@pytest.mark.parametrize("n_images", [1, 3])
def test_the_tiles_agree_with_each_other(tmp_path: Path, n_images: int):
    """Of a sweep, too, where an original has many files: bytes in over bytes out is what it says."""
    store = open_store(str(tmp_path))
    records = list(sweep_records(n_images))
    append(store, [*records, archived("exact", model=LOSSLESS, psnr_db=math.inf, rd_lambda=None)])
    report = make_report(store, OPTIONS, n_worst=0)
    tiles, totals = tiles_of(report.html), report.facts.totals
    n_bytes = sum(record.stored.file.n_bytes for record in records) + len(b"bitstream")
    originals = 100_000 * n_images + 1000
    assert tiles["Images"] == (f"{n_images + 1}", f"{6 * n_images + 1} files under 7 settings")
    assert (totals.originals_n_bytes, totals.n_bytes) == (originals, n_bytes)
    assert tiles["Bytes in"][0] == f"{originals / 1000:.1f} kB"
    assert tiles["Bytes out"][0] == f"{n_bytes / 1000:.1f} kB"
    assert tiles["Smaller by"][0] == f"{originals / n_bytes:.1f}×"
    assert tiles["Mean PSNR"][1] == f"over {6 * n_images} files; 1 more without any loss"


def test_a_page_of_one_image_counts_one(tmp_path: Path):
    store = open_store(str(tmp_path))
    append(store, [archived("a")])
    text = Page(make_report(store, OPTIONS).html).text
    assert "may be of different images" not in text
    assert "one file each" in text
    assert "The image with the smallest PSNR" in text
    assert not re.search(r"\b1 (images|files|bitstreams|settings)", text)
    assert "can be compared" not in text


def test_settings_without_a_common_image_say_so(tmp_path: Path):
    store = open_store(str(tmp_path))
    append(store, [archived("a"), archived("b", archive_digest="e" * 64, goal_value=0.5)])
    text = Page(make_report(store, OPTIONS).html).text
    assert "No two settings have an image in common" in text
    assert "may be of different images" in text
    assert text.count("its own 1") == 2


def test_small_numbers_are_not_nothing(tmp_path: Path):
    store = open_store(str(tmp_path))
    append(store, [archived("a", width=8000, height=8000, rate_bpp=72 / 64e6, decode_seconds=0.004)])
    text = Page(make_report(store, OPTIONS).html).text
    assert "0.00000113 bits per pixel" in text
    assert "0.0040" in text
    assert "0.000 " not in text


def test_every_cell_of_a_table_says_its_column_where_rows_are_stacked(html: str):
    """On a phone, where headings are not seen; but for settings and reasons, which are plain without."""
    page = Page(html)
    unnamed = [cell for cell in page.all("td") if not cell.get("data-label")]
    assert {cell["class"] for cell in unnamed} == {"setting", "reason"}
    assert {table.get("class") for table in page.all("table")} == {"wide", "stacked", None}


def test_pages_of_a_store_share_their_script(tmp_path: Path):
    store = open_store(str(tmp_path))
    append(store, [archived("a"), archived("b", archive_digest="e" * 64)])
    pages = [store_page(store, run_id, OPTIONS).html for run_id in ("run", "run")]
    for stored in pages:
        assert len(stored) < 60_000
        [source] = [script["src"] for script in Page(stored).all("script") if "src" in script]
        assert source is not None
        assert "window.vegaEmbed" in store.get(f"reports/{source}", max_bytes=1 << 21).decode()
    kept = [kept.key for kept in store.objects("reports")]
    assert [key for key in kept if key.endswith(".js")] == [f"reports/{source}"]
    assert len(make_report(store, OPTIONS).html) > 800_000  # alone, it has everything


def test_a_page_without_charts_needs_no_script(tmp_path: Path):
    store = open_store(str(tmp_path))
    append(store, [failed("a")])
    store_page(store, "run", OPTIONS)
    assert [kept.key for kept in store.objects("reports")] == ["reports/run.html"]


def test_an_archive_of_failures_has_a_page(tmp_path: Path):
    store = open_store(str(tmp_path))
    append(store, [failed("a")])
    report = make_report(store, OPTIONS)
    assert 'id="specs"' not in report.html
    assert "ValueError" in report.html
    assert "Worst images" not in report.html
    assert len(report.html) < 25_000  # it has no chart, and no script to draw one
    text = Page(report.html).text
    assert "nothing is archived" in text
    assert "one file each" not in text
    assert "– dB" not in text
    assert "– bits" not in text


def test_a_place_without_an_archive_is_the_callers_error(tmp_path: Path):
    with pytest.raises(ConfigError, match="expected an archive, found no row"):
        make_report(open_store(str(tmp_path / "nothing")), OPTIONS)
    store = open_store(str(tmp_path))
    append(store, [archived()])
    path = tmp_path / store.objects(IMAGES)[0].key
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CatalogueError, match=path.name):
        make_report(store, OPTIONS)


def test_a_store_in_s3_is_reported_alike(s3_access: object):
    store = open_store("s3://archive/report")
    append(store, list(sweep_records(n_images=2)))
    report = make_report(store, OPTIONS, n_worst=1)
    assert report.facts.totals.n_archived == 12
    stored = store_page(store, "sweep", OPTIONS)
    assert store.get("reports/sweep.html", max_bytes=1 << 24).decode() == stored.html
    assert "s3://archive/report" in stored.html
