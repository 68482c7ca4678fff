"""Compress, verify and what lies between them in the store: one fit, many stores."""

import dataclasses
import hashlib
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inr import CodecConfig, Contract, DeadlineExceeded, Progress
from inr.bitstream import Metadata
from inr.mlp.fit import presets
from tasks.catalogue import parts
from tasks.catalogue.records import ARCHIVED, LOSSLESS, STORED, CatalogueRecord, archive_digest, object_key
from tasks.errors import RunCancelled, SourceError, UnsupportedImage, VerificationMismatch
from tasks.originals.listing import SourceImage
from tasks.originals.opening import Picture, open_original, open_picture
from tasks.originals.reading import digest_source
from tasks.plan import claims
from tasks.plan.claims import Claim
from tasks.settings import RunOptions
from tasks.steps import commit
from tasks.steps.compress import ArchiveJob, compress_image, store_claimed
from tasks.steps.deadlines import FitWatch, at_most_every, cancel
from tasks.steps.verify import verify_bitstream, verify_image
from tasks.store.folder import LocalStore
from tasks.store.objects import ObjectStore
from tests.tasks.pictures import file_of, image


@dataclass(frozen=True)
class Stored:
    """An image that `compress_image` put into a store."""

    image: SourceImage
    job: ArchiveJob
    record: CatalogueRecord

    @property
    def store(self) -> LocalStore:
        return LocalStore(Path(self.job.store))

    @property
    def path(self) -> Path:
        return self.store.path(self.record.key or "")


def source_image(path: Path) -> SourceImage:
    digest, n_bytes = digest_source(path.as_uri(), max_bytes=1 << 20)
    return SourceImage(digest, path.as_uri(), path.name, n_bytes)


@pytest.fixture(scope="module", autouse=True)
def short_fits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(presets.PRESET_STEPS, "draft", 400)
        yield


@pytest.fixture(scope="module")
def stored_once(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    folder = tmp_path_factory.mktemp("once")
    (folder / "a.png").write_bytes(file_of(image(9, 8, 3), icc_profile=b"not looked into"))
    config = CodecConfig(model="mlp", preset="draft")
    job = ArchiveJob(
        run_id="run", store=str(folder / "store"), config=config, options=RunOptions(device="cpu")
    )
    found = source_image(folder / "a.png")
    return Stored(found, job, compress_image(found, job))


def copied(once: Stored, folder: Path) -> Stored:
    """The same with a store of its own, which a test may change."""
    shutil.copytree(once.job.store, folder / "store")
    return dataclasses.replace(once, job=dataclasses.replace(once.job, store=str(folder / "store")))


@pytest.fixture
def stored(stored_once: Stored, tmp_path: Path) -> Stored:
    return copied(stored_once, tmp_path)


def test_claim_and_bitstream_are_there_before_the_record(stored: Stored):
    assert stored.record.status == STORED
    assert hashlib.sha256(stored.path.read_bytes()).hexdigest() == stored.record.bitstream_digest
    claim = claims.claimed(stored.store, stored.image.digest, stored.record.archive_digest)
    assert claim is not None
    assert claim.record == stored.record
    assert len(claim.history) > 0
    assert parts.read_images(stored.store).num_rows == 0


def test_what_a_killed_run_left_is_taken_over_without_a_fit(stored: Stored):
    job = dataclasses.replace(stored.job, run_id="another", options=RunOptions(deadline_seconds=1e-9))
    assert compress_image(stored.image, job) == dataclasses.replace(stored.record, run_id="another")


def test_verification_completes_the_row(stored: Stored):
    record = verify_image(stored.image, stored.record, stored.job)
    assert record.status == ARCHIVED
    assert record.psnr_db == pytest.approx(stored.record.psnr_db)
    assert (record.decode_seconds or 0) > 0
    assert record.verified_at is not None
    assert record.ms_ssim is None


@pytest.mark.parametrize("damage", ["flip", "cut", "lost"])
def test_a_damaged_object_is_found_and_removed(stored: Stored, damage: str):
    data = bytearray(stored.path.read_bytes())
    data[len(data) // 2] ^= 1
    stored.path.unlink()
    if damage != "lost":
        stored.path.write_bytes(data if damage == "flip" else data[:-1])
    with pytest.raises(VerificationMismatch, match=r"SHA-256: expected|no such object"):
        verify_image(stored.image, stored.record, stored.job)
    assert stored.store.objects("bitstreams") == stored.store.objects("journal") == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"symbols_digest": "0" * 64}, "symbols digest"),
        ({"pixels_digest": "0" * 64}, "pixels digest"),
        ({"psnr_db": 1.0}, "PSNR in dB"),
        ({"psnr_db": None}, "PSNR in dB"),
        ({"n_bytes": 1}, "size in bytes"),
    ],
)
def test_a_row_that_says_otherwise_is_found(stored: Stored, change: dict[str, object], what: str):
    record = dataclasses.replace(stored.record, **change)
    with pytest.raises(VerificationMismatch, match=f"{what}: expected .* found"):
        verify_image(stored.image, record, stored.job)


def test_an_object_that_is_no_bitstream_is_found_although_its_digest_holds(stored: Stored):
    stored.path.unlink()
    stored.path.write_bytes(b"junk")
    record = dataclasses.replace(
        stored.record, bitstream_digest=hashlib.sha256(b"junk").hexdigest(), n_bytes=4
    )
    with pytest.raises(VerificationMismatch, match=r"Truncated|BadMagic"):
        verify_image(stored.image, record, stored.job)


@pytest.mark.parametrize("change", ["pixels", "metadata", "size"])
def test_a_decoded_image_that_is_another_is_found(stored: Stored, change: str):
    picture = open_original(stored.image, stored.job.options)
    other: dict[str, Picture] = {
        "pixels": dataclasses.replace(picture, pixels=255 - picture.pixels),
        "metadata": dataclasses.replace(picture, metadata=Metadata()),
        "size": dataclasses.replace(picture, pixels=picture.pixels[:-1]),
    }
    with pytest.raises(VerificationMismatch, match=r"PSNR|metadata|image size"):
        verify_bitstream(stored.store, stored.record, other[change], 0.0)


def test_an_original_that_changed_is_not_archived(stored: Stored, tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(file_of(image(8, 8, 3)))
    planned = source_image(path)
    path.write_bytes(file_of(image(8, 9, 3)))
    with pytest.raises(SourceError, match="the file has changed: expected SHA-256"):
        compress_image(planned, stored.job)


def test_what_is_no_image_stores_nothing(tmp_path: Path, stored: Stored):
    (tmp_path / "a.png").write_text("text")
    before = stored.store.objects("bitstreams")
    with pytest.raises(UnsupportedImage):
        compress_image(source_image(tmp_path / "a.png"), stored.job)
    assert stored.store.objects("bitstreams") == before


def other_claim(stored: Stored, bitstream: bytes) -> Claim:
    digest = hashlib.sha256(bitstream).hexdigest()
    record = dataclasses.replace(
        stored.record, bitstream_digest=digest, n_bytes=len(bitstream), run_id="late"
    )
    return Claim(record, ())


def read(store: ObjectStore, stored: Stored) -> bytes:
    return store.get(stored.record.key or "", max_bytes=1 << 20)


def test_the_loser_of_a_race_takes_over_the_winners_claim(stored: Stored):
    before = read(stored.store, stored)
    record = store_claimed(stored.store, other_claim(stored, b"late"), b"late")
    assert record == dataclasses.replace(stored.record, run_id="late")
    assert read(stored.store, stored) == before


def test_the_loser_of_a_race_takes_over_the_winners_record(stored: Stored):
    archived = verify_image(stored.image, stored.record, stored.job)
    commit.append(stored.store, [archived])
    claims.forget(stored.store, stored.image.digest, archived.archive_digest)
    record = store_claimed(stored.store, other_claim(stored, b"late"), b"late")
    assert record == dataclasses.replace(archived, run_id="late", status=STORED)


def test_the_same_bytes_twice_are_no_conflict(stored: Stored):
    bitstream = read(stored.store, stored)
    claim = Claim(stored.record, ())
    assert store_claimed(stored.store, claim, bitstream) == stored.record


def test_an_object_that_nobody_claims_is_replaced(stored: Stored):
    claims.forget(stored.store, stored.image.digest, stored.record.archive_digest)
    claim = other_claim(stored, b"late")
    assert store_claimed(stored.store, claim, b"late") == claim.record
    assert read(stored.store, stored) == b"late"


PROGRESS = Progress(attempt=1, step=100, n_steps=600, rd_lambda=0.002, estimated_bpp=0.5, psnr_db=30.0)


def test_a_watch_keeps_the_history_and_reports(stored: Stored):
    seen: list[Progress] = []
    watch = FitWatch(report=seen.append)
    watch(PROGRESS)
    assert seen == watch.history == [PROGRESS]
    assert watch.fit_seconds > 0


def test_a_watch_ends_a_fit_at_its_deadline_and_when_its_run_is_cancelled():
    with pytest.raises(DeadlineExceeded, match=r"at most 1e-09 s, found 0.0 s at step 100 of 600"):
        FitWatch(deadline_seconds=1e-9)(PROGRESS)
    watch = FitWatch(run_id="cancelled")
    watch(PROGRESS)
    cancel("cancelled")
    with pytest.raises(RunCancelled, match="step 100"):
        watch(PROGRESS)
    FitWatch(run_id="another")(PROGRESS)


def test_reports_are_thinned_out():
    seen: list[Progress] = []
    report = at_most_every(3600, seen.append)
    report(PROGRESS)
    assert seen == []
    report = at_most_every(0, seen.append)
    report(PROGRESS)
    assert seen == [PROGRESS]


NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 8, 3), np.uint8))


def contracted(tmp_path: Path, picture: Image.Image, contract: Contract) -> Stored:
    """A picture archived under a contract."""
    (tmp_path / "a.png").write_bytes(file_of(picture, icc_profile=b"not looked into"))
    job = ArchiveJob(
        run_id="run",
        store=str(tmp_path / "store"),
        config=CodecConfig(model="mlp", preset="draft", rd_lambda=0.02),
        options=RunOptions(device="cpu"),
        contract=contract,
    )
    found = source_image(tmp_path / "a.png")
    return Stored(found, job, compress_image(found, job))


def test_what_no_fit_brings_up_to_the_contract_is_stored_without_loss(tmp_path: Path):
    stored = contracted(tmp_path, NOISE, Contract(60.0, max_refits=1))
    record = verify_image(stored.image, stored.record, stored.job)
    assert (record.status, record.model, record.psnr_db) == (ARCHIVED, LOSSLESS, math.inf)
    assert (record.min_psnr_db, record.refits, record.attempts) == (60.0, 1, 2)
    assert (record.rd_lambda, record.n_parameters, record.estimated_rate_bits) == (None, None, None)
    assert record.rate_bpp == 8 * (record.n_bytes or 0) / (9 * 8)
    assert "stored without loss: the best of 2 fits has" in record.notes[-1]
    assert record.key == object_key(stored.image.digest, record.archive_digest, ".webp")
    opened = open_picture(stored.path.read_bytes(), max_pixels=100)
    np.testing.assert_array_equal(opened.pixels, np.asarray(NOISE))
    claim = claims.claimed(stored.store, stored.image.digest, record.archive_digest)
    assert claim is not None
    assert {point.attempt for point in claim.history} == {1, 2}
    assert claim.history[-1].rd_lambda < claim.history[0].rd_lambda == 0.02


@pytest.fixture(scope="module")
def lossless_once(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return contracted(tmp_path_factory.mktemp("lossless"), NOISE, Contract(100.0, max_refits=0))


def test_what_is_stored_without_loss_is_taken_over_without_a_fit(lossless_once: Stored):
    job = dataclasses.replace(lossless_once.job, run_id="another", options=RunOptions(deadline_seconds=1e-9))
    expected = dataclasses.replace(lossless_once.record, run_id="another")
    assert compress_image(lossless_once.image, job) == expected


def test_a_row_of_an_older_archive_names_a_lossless_object_like_a_bitstream(
    lossless_once: Stored, tmp_path: Path
):
    stored = copied(lossless_once, tmp_path)
    older = object_key(stored.image.digest, stored.record.archive_digest, ".inr")
    stored.store.put(older, stored.path.read_bytes())
    record = verify_image(stored.image, dataclasses.replace(stored.record, key=older), stored.job)
    assert (record.status, record.key) == (ARCHIVED, older)


@pytest.mark.parametrize("damage", ["flip", "cut", "another", "bomb"])
def test_a_damaged_lossless_object_is_found(lossless_once: Stored, tmp_path: Path, damage: str):
    stored = copied(lossless_once, tmp_path)
    data = bytearray(stored.path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    others = {"cut": data[:-20], "another": file_of(image(9, 8)), "bomb": file_of(image(90, 80))}
    other = others.get(damage, data)
    stored.path.unlink()
    stored.path.write_bytes(other)
    # With a digest that holds, so that what is told is what the file itself shows.
    digest = hashlib.sha256(other).hexdigest()
    record = dataclasses.replace(stored.record, bitstream_digest=digest, n_bytes=len(other))
    with pytest.raises(VerificationMismatch):
        verify_image(stored.image, record, stored.job)
    assert stored.store.objects("bitstreams") == []


def test_a_refit_that_meets_the_contract_is_stored_as_a_bitstream(tmp_path: Path):
    loose = contracted(tmp_path, image(16, 16, 3), Contract(10.0)).record
    assert (loose.refits, loose.model, loose.rd_lambda) == (0, "mlp", 0.02)
    stored = contracted(tmp_path, image(16, 16, 3), Contract((loose.psnr_db or 0) + 8.0))
    record = verify_image(stored.image, stored.record, stored.job)
    assert (record.refits or 0) >= 1
    assert record.model == "mlp"
    assert (record.rd_lambda or 1) < 0.02
    assert (record.psnr_db or 0) >= (record.min_psnr_db or 99)
    assert record.archive_digest != loose.archive_digest


def test_what_is_below_its_contract_is_not_archived(stored: Stored):
    record = dataclasses.replace(stored.record, min_psnr_db=(stored.record.psnr_db or 0) + 0.01)
    with pytest.raises(VerificationMismatch, match="PSNR in dB, by contract: expected at least"):
        verify_image(stored.image, record, stored.job)
    assert stored.store.objects("bitstreams") == []


def test_without_a_contract_nothing_tells_of_one(stored: Stored):
    assert (stored.record.min_psnr_db, stored.record.refits) == (None, None)
    config = stored.job.config
    contracts = (None, Contract(30.0), Contract(30.0, 1), Contract(31.0))
    assert stored.record.archive_digest == archive_digest(config)
    assert len({archive_digest(config, contract) for contract in contracts}) == 4
