"""The verdicts on faults must be able to be bad: each kind of loss is made, and has to be found."""

import dataclasses
from pathlib import Path

import pytest

from benchmarks.faults.places import Place
from benchmarks.faults.verdicts import judge
from tasks.catalogue import lookup, parts
from tasks.catalogue.records import Failed
from tasks.catalogue.rows import archived_of
from tasks.steps.commit import append
from tasks.store.folder import LocalStore
from tests.tasks.pictures import file_of, image


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


def test_an_image_whose_only_rows_are_failures_is_lost(place: Place):
    row = lookup.latest(parts.read_images(LocalStore(place.vault)).to_pylist(), {})[0]
    stored = archived_of(row).stored
    append(LocalStore(place.vault), [Failed.of(stored, OSError("no"))])
    assert judge(place).nothing_lost
    (place.photos / "new.png").write_bytes(file_of(image(1, 7)))
    place.remember()
    new = dataclasses.replace(stored.planned.image, digest=place.digests["new.png"])
    append(
        LocalStore(place.vault), [Failed.of(dataclasses.replace(stored.planned, image=new), OSError("no"))]
    )
    assert judge(place).lost == ("new.png",)


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
