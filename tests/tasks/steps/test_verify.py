"""Verification: golden files in a store stand in for what an encoder stored a moment ago."""

import dataclasses
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import inr
from inr.bitstream import Metadata
from inr.metrics import psnr_db
from inr.network import digest_pixels, digest_symbols
from tasks.catalogue.keys import object_key
from tasks.catalogue.recipe import Recipe, Setting
from tasks.catalogue.records import PictureFacts, Planned, Stored
from tasks.catalogue.rows import row_of
from tasks.errors import MemoryTooSmall, SourceError, VerificationMismatch
from tasks.originals.listing import SourceImage
from tasks.originals.lossless import lossless_suffix
from tasks.originals.opening import Picture, open_original, open_picture, read_header
from tasks.originals.writing import to_jxl, to_png, to_webp
from tasks.plan.claims import Claim, write_claim
from tasks.settings import RunOptions
from tasks.steps.commit import record_batch
from tasks.steps.jobs import ArchiveJob
from tasks.steps.verify import read_intact, verify_image, verify_stored
from tasks.store.folder import LocalStore
from tests.inr.conftest import VECTORS
from tests.tasks.pictures import file_of, gradient, image, phone_exif
from tests.tasks.rows import RECIPE, stored_of

BITSTREAM = (VECTORS / "rgb_metadata.inr").read_bytes()
DECODED = inr.decode(BITSTREAM)


@dataclasses.dataclass(frozen=True)
class Kept:
    """An image whose file is in a store, with its claim."""

    stored: Stored
    job: ArchiveJob

    @property
    def store(self) -> LocalStore:
        return LocalStore(Path(self.job.store))

    @property
    def path(self) -> Path:
        return self.store.path(self.stored.file.key)

    @property
    def original(self) -> Picture:
        return open_original(self.stored.planned.image, self.job.options)


def with_file(stored: Stored, **changes: Any) -> Stored:
    return dataclasses.replace(stored, file=dataclasses.replace(stored.file, **changes))


def under_contract(stored: Stored, min_psnr_db: float) -> Stored:
    setting = dataclasses.replace(stored.planned.setting, min_psnr_db=min_psnr_db)
    return dataclasses.replace(stored, planned=dataclasses.replace(stored.planned, setting=setting))


def keep(folder: Path, original: bytes, data: bytes, **file: Any) -> Kept:
    (folder / "a.png").write_bytes(original)
    uri = (folder / "a.png").as_uri()
    header = read_header(uri, RunOptions())
    planned = Planned.of("run", RECIPE, SourceImage(header.digest, uri, "a.png", header.n_bytes))
    stored = with_file(stored_of(planned, data), **file)
    kept = Kept(
        stored, ArchiveJob(run_id="run", store=str(folder / "store"), recipe=RECIPE, options=RunOptions())
    )
    write_claim(kept.store, Claim(stored, ()))
    kept.store.put(stored.file.key, data)
    return kept


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """A golden bitstream, and an original that it is a poor reconstruction of."""
    pixels = DECODED.pixels ^ np.uint8(1)
    return keep(
        tmp_path,
        to_png(pixels, DECODED.metadata),
        BITSTREAM,
        symbols_digest=DECODED.symbols_digest,
        pixels_digest=DECODED.pixels_digest,
        psnr_db=psnr_db(reference=pixels, decoded=DECODED.pixels),
    )


FORMS: dict[str, tuple[Callable[[np.ndarray, Metadata], bytes], dict[str, bytes]]] = {
    ".webp": (to_webp, {"icc_profile": b"not looked into"}),
    ".png": (to_png, {"icc_profile": b"not looked into"}),
    ".jxl": (to_jxl, {"exif": phone_exif(1)}),
}


@pytest.fixture(params=FORMS)
def lossless(tmp_path: Path, request: pytest.FixtureRequest) -> Kept:
    write, carried = FORMS[request.param]
    original = file_of(image(9, 8, 3), **carried)
    picture = open_picture(original, max_pixels=100)
    data = write(picture.pixels, picture.metadata)
    assert lossless_suffix(data) == request.param
    found = digest_pixels(picture.pixels)
    kept = keep(
        tmp_path,
        original,
        data,
        symbols_digest=digest_symbols(()),
        pixels_digest=found,
        psnr_db=math.inf,
    )
    facts = PictureFacts("PNG", "RGB", 8, 9, 3, 15, 0, ())
    return dataclasses.replace(kept, stored=dataclasses.replace(kept.stored, network=None, picture=facts))


def test_verification_completes_what_is_known(kept: Kept):
    archived = verify_image(kept.stored, kept.job)
    assert archived.stored == kept.stored
    found = archived.verification
    assert found.psnr_db == kept.stored.file.psnr_db == pytest.approx(48.13, abs=0.01)
    assert 0 < found.decode_seconds < found.verify_seconds
    assert found.ms_ssim is None
    assert found.verified_at <= archived.recorded_at


@pytest.mark.parametrize("damage", ["flip", "cut", "lost"])
def test_a_damaged_object_is_found_and_removed(kept: Kept, damage: str):
    data = bytearray(kept.path.read_bytes())
    data[len(data) // 2] ^= 1
    kept.path.unlink()
    if damage != "lost":
        kept.path.write_bytes(data if damage == "flip" else data[:-1])
    with pytest.raises(VerificationMismatch, match=r"SHA-256: expected|no such object"):
        verify_image(kept.stored, kept.job)
    assert kept.store.objects("bitstreams") == kept.store.objects("journal") == []


def test_an_object_that_another_run_has_archived_meanwhile_stays(kept: Kept):
    """This run made other bytes of the image, which the other run replaced and then verified."""
    record_batch(kept.job.store, [verify_image(kept.stored, kept.job)])
    mine = with_file(kept.stored, bitstream_digest="0" * 64)
    with pytest.raises(VerificationMismatch, match="SHA-256: expected 000"):
        verify_image(mine, kept.job)
    assert kept.path.read_bytes() == BITSTREAM
    kept.path.write_bytes(BITSTREAM[:-1])  # damaged since: no row can keep it
    with pytest.raises(VerificationMismatch, match="SHA-256: expected 000"):
        verify_image(mine, kept.job)
    assert not kept.path.exists()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"symbols_digest": "0" * 64}, "symbols digest"),
        ({"pixels_digest": "0" * 64}, "pixels digest"),
        ({"psnr_db": 1.0}, "PSNR in dB"),
        ({"psnr_db": math.nan}, "PSNR in dB"),
        ({"n_bytes": 1}, "size in bytes"),
    ],
)
def test_a_record_that_says_otherwise_is_found(kept: Kept, change: dict[str, object], what: str):
    with pytest.raises(VerificationMismatch, match=f"{what}: expected .* found"):
        verify_image(with_file(kept.stored, **change), kept.job)


def test_an_object_that_is_no_bitstream_is_found_although_its_digest_holds(kept: Kept):
    kept.path.unlink()
    kept.path.write_bytes(b"junk")
    stored = with_file(kept.stored, bitstream_digest=hashlib.sha256(b"junk").hexdigest(), n_bytes=4)
    with pytest.raises(VerificationMismatch, match=r"Truncated|BadMagic"):
        verify_image(stored, kept.job)


@pytest.mark.parametrize("change", ["pixels", "metadata", "size"])
def test_a_decoded_image_that_is_another_is_found(kept: Kept, change: str):
    picture = kept.original
    other: dict[str, Picture] = {
        "pixels": dataclasses.replace(picture, pixels=255 - picture.pixels),
        "metadata": dataclasses.replace(picture, metadata=Metadata()),
        "size": dataclasses.replace(picture, pixels=picture.pixels[:-1]),
    }
    with pytest.raises(VerificationMismatch, match=r"PSNR|metadata|image size"):
        verify_stored(kept.store, kept.stored, other[change], 0.0)


def test_an_original_that_changed_meanwhile_says_nothing_of_the_object(kept: Kept):
    path = Path(kept.stored.planned.image.uri.removeprefix("file://"))
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(SourceError, match="the file has changed"):
        verify_image(kept.stored, kept.job)
    assert kept.path.exists()


def test_what_is_below_its_contract_is_not_archived(kept: Kept):
    stored = under_contract(kept.stored, kept.stored.file.psnr_db + 0.01)
    with pytest.raises(VerificationMismatch, match="PSNR in dB, by contract: expected at least"):
        verify_image(stored, kept.job)
    assert kept.store.objects("bitstreams") == []


def test_what_is_just_its_contract_is_archived(kept: Kept):
    stored = under_contract(kept.stored, kept.stored.file.psnr_db)
    assert verify_image(stored, kept.job).stored == stored


def test_what_is_stored_without_loss_is_verified_like_the_rest(lossless: Kept):
    archived = verify_image(lossless.stored, lossless.job)
    assert archived.verification.psnr_db == math.inf
    assert row_of(archived)["model"] == "lossless"


def test_a_row_of_an_older_archive_names_a_lossless_object_like_a_bitstream(lossless: Kept):
    assert lossless.stored.file.key.endswith(".inr")
    assert read_intact(lossless.store, lossless.stored)[0].pixels.shape == (9, 8, 3)
    planned = lossless.stored.planned
    suffix = lossless_suffix(lossless.path.read_bytes())
    newer = object_key(planned.image.digest, planned.setting.archive_digest, suffix)
    lossless.store.put(newer, lossless.path.read_bytes())
    assert read_intact(lossless.store, with_file(lossless.stored, key=newer))[0].pixels.shape == (9, 8, 3)


@pytest.mark.parametrize(("hidden", "psnr"), [("ignore", math.inf), ("keep", 30.0)])
def test_colours_that_nobody_sees_count_only_where_they_are_kept(tmp_path: Path, hidden: str, psnr: float):
    """A file that differs from its original under alpha 0 alone."""
    pixels = gradient(9, 8, 4)
    pixels[:, :, 3] = 255
    pixels[4:, :, 3] = 0
    other = pixels.copy()
    other[4:, :, :3] ^= np.uint8(8)
    data = file_of(Image.fromarray(other))
    measured = psnr_db(reference=pixels, decoded=other)
    assert measured == pytest.approx(psnr, abs=4) or hidden == "ignore"
    kept = keep(
        tmp_path,
        file_of(Image.fromarray(pixels)),
        data,
        symbols_digest=digest_symbols(()),
        pixels_digest=digest_pixels(other),
        psnr_db=math.inf if hidden == "ignore" else measured,
    )
    setting = Setting.of(Recipe(inr.CodecConfig(hidden=hidden)))
    planned = dataclasses.replace(kept.stored.planned, setting=setting)
    facts = PictureFacts("PNG", "RGBA", 8, 9, 4, 0, 0, ())
    stored = dataclasses.replace(kept.stored, planned=planned, network=None, picture=facts)
    found = verify_image(stored, kept.job).verification
    assert found.psnr_db == stored.file.psnr_db
    claimed = 40.0 if hidden == "ignore" else math.inf
    with pytest.raises(VerificationMismatch, match="PSNR in dB"):
        verify_image(with_file(stored, psnr_db=claimed), kept.job)


@pytest.mark.parametrize("damage", ["flip", "cut", "another", "bomb"])
def test_a_damaged_lossless_object_is_found(lossless: Kept, damage: str):
    data = bytearray(lossless.path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    others = {"cut": data[: len(data) // 2], "another": file_of(image(9, 8)), "bomb": file_of(image(90, 80))}
    other = others.get(damage, data)
    lossless.path.unlink()
    lossless.path.write_bytes(other)
    # With a digest that holds, so that the error is what the file itself shows.
    digest = hashlib.sha256(other).hexdigest()
    with pytest.raises(VerificationMismatch):
        verify_image(with_file(lossless.stored, bitstream_digest=digest, n_bytes=len(other)), lossless.job)
    assert lossless.store.objects("bitstreams") == []


def test_a_lossless_object_for_which_there_is_no_memory_is_not_damaged(
    lossless: Kept, monkeypatch: pytest.MonkeyPatch
):
    def without_memory(*_: object, **__: object) -> None:
        raise MemoryTooSmall("does not fit into memory")

    monkeypatch.setattr("tasks.originals.lossless.open_picture", without_memory)
    with pytest.raises(MemoryTooSmall):
        verify_image(lossless.stored, lossless.job)
    assert lossless.path.exists()
