"""The verdicts on faults must be able to be bad: each kind of loss is made, and has to be found."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.faults.outcomes import Account, Fault, Outcome, done, outcome_of, to_markdown
from benchmarks.faults.places import Folder, Place
from benchmarks.faults.scenery import Scenery
from benchmarks.faults.verdicts import judge
from benchmarks.provenance import provenance
from inr.config import CodecConfig
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Failed
from tasks.catalogue.rows import archived_of
from tasks.originals.listing import SourceImage
from tasks.originals.reading import digest_source
from tasks.settings import RunOptions
from tasks.steps.commit import append
from tasks.steps.compress import compress_image
from tasks.steps.jobs import ArchiveJob
from tasks.steps.verify import verify_image
from tasks.store.folder import LocalStore
from tests.tasks.pictures import file_of, image


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Two photographs of one colour, which need no fit, both archived."""
    (tmp_path / "photos").mkdir()
    for n in range(2):
        (tmp_path / "photos" / f"{n}.png").write_bytes(file_of(Image.new("RGB", (n + 1, 1), (n, 2, 3))))
    source, store = tmp_path / "photos", tmp_path / "store"
    made = Place(tmp_path, str(source), Folder(source), str(store), Folder(store))
    made.remember()
    recipe = Recipe(CodecConfig(model="mlp", preset="draft"))
    job = ArchiveJob(run_id="run", store=str(store), recipe=recipe, options=RunOptions())
    for path in sorted(source.iterdir()):
        digest, n_bytes = digest_source(path.as_uri(), max_bytes=1 << 20)
        found = SourceImage(digest, path.as_uri(), path.name, n_bytes)
        append(LocalStore(store), [verify_image(compress_image(found, job), job)])
    return made


def bitstreams(place: Place) -> list[Path]:
    return sorted((place.vault / "bitstreams").rglob("*.inr"))


def test_a_place_where_all_is_well_is_judged_so(place: Place):
    verdict = judge(place)
    assert verdict.nothing_lost
    assert verdict.all_decode
    assert verdict.n_archived == 2


def test_an_image_without_a_row_is_lost_unless_it_need_not_be_archived(place: Place):
    (place.photos / "new.png").write_bytes(file_of(image(1, 7)))
    place.remember()
    assert judge(place).lost == ("new.png",)
    assert not judge(place).nothing_lost
    assert judge(place, never=frozenset({"new.png"})).nothing_lost


def test_an_image_whose_latest_row_is_a_failure_is_lost(place: Place):
    from tasks.catalogue import lookup, parts

    row = lookup.latest(parts.read_images(LocalStore(place.vault)).to_pylist())[0]
    append(LocalStore(place.vault), [Failed.of(archived_of(row).stored, OSError("no"))])
    assert len(judge(place).lost) == 1


def test_an_original_that_changed_or_went_is_found(place: Place):
    (place.photos / "0.png").write_bytes(file_of(image(1, 9)))
    (place.photos / "1.png").unlink()
    assert judge(place).changed == ("0.png", "1.png")
    assert not judge(place).nothing_lost


def test_a_bitstream_that_is_not_what_its_row_says_is_found(place: Place):
    first, second = bitstreams(place)
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    first.write_bytes(bytes(data))
    second.unlink()
    found = judge(place).undecodable
    assert len(found) == 2
    assert any("SHA-256 is not the row's" in reason for reason in found)
    assert any("cannot be read" in reason for reason in found)
    assert not judge(place).all_decode


def test_what_decodes_to_another_picture_is_found(place: Place, monkeypatch: pytest.MonkeyPatch):
    import inr

    decode = inr.decode

    class Other:
        def __init__(self, data: bytes) -> None:
            self.pixels = decode(data).pixels ^ 1

    monkeypatch.setattr(inr, "decode", Other)
    assert all("PSNR: the row says" in reason for reason in judge(place).undecodable)
    assert len(judge(place).undecodable) == 2


def test_a_fault_that_breaks_is_a_bad_row_and_stops_no_other(place: Place, tmp_path: Path):
    def breaks(place: Place, account: Account, _: Scenery) -> None:
        raise TimeoutError("never seen")

    def works(place: Place, account: Account, _: Scenery) -> None:
        account.tried, account.recovery = "nothing | at all", "none"
        account.rows["part"] = Account("a part")

    faults = [Fault("one", breaks, lambda *_: place), Fault("two", works, lambda *_: place)]
    outcomes = list(done(faults, Scenery(tmp_path)))
    assert [(outcome.name, outcome.is_good) for outcome in outcomes] == [
        ("one", False),
        ("two", True),
        ("part", True),
    ]
    assert "never seen" in outcomes[0].reasons()[0]
    page = to_markdown(provenance("benchmarks.faults", []), outcomes)
    assert "- 2 of 3 ended well" in page
    assert r"nothing \| at all" in page
    assert "Bad: one" in page
    assert [outcome_of(outcome.as_values()) for outcome in outcomes] == outcomes


def test_what_was_expected_and_not_seen_makes_a_row_bad(place: Place):
    account = Account("x")
    account.expect("a thing", False)
    outcome = Outcome("x", account, judge(place), "", 0.0, "")
    assert not outcome.is_good
    assert outcome.reasons() == ["expected: a thing"]
