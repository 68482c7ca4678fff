"""Compress, and what lies between it and verification in the store: one fit, many stores."""

import dataclasses
import hashlib
import math
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inr import CodecConfig, Contract, DeadlineExceeded, Progress
from inr.errors import ConfigError
from tasks.catalogue.keys import object_key
from tasks.catalogue.parts import read_images
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import LOSSLESS, Archived, Stored
from tasks.catalogue.rows import row_of
from tasks.errors import (
    BudgetTooSmall,
    FittedElsewhere,
    RunCancelled,
    SourceError,
    StorageError,
    UnsupportedImage,
)
from tasks.originals.listing import SourceImage
from tasks.originals.lossless import to_lossless
from tasks.originals.opening import open_picture
from tasks.originals.reading import digest_source
from tasks.plan import claims
from tasks.plan.claims import Claim
from tasks.plan.leases import Leases
from tasks.settings import RunOptions
from tasks.steps import commit
from tasks.steps.compress import compress_images
from tasks.steps.deadlines import cancel
from tasks.steps.jobs import ArchiveJob
from tasks.steps.storing import store_claimed
from tasks.steps.verify import verify_image
from tasks.store.folder import LocalStore
from tasks.store.objects import ObjectStore
from tests.lengths import fits_from
from tests.tasks.pictures import file_of, image, photograph


@dataclass(frozen=True)
class Kept:
    """An image that `compress_images` put into a store."""

    image: SourceImage
    job: ArchiveJob
    stored: Stored

    @property
    def store(self) -> LocalStore:
        return LocalStore(Path(self.job.store))

    @property
    def path(self) -> Path:
        return self.store.path(self.stored.file.key)

    @property
    def archive_digest(self) -> str:
        return self.stored.planned.setting.archive_digest


def with_file(stored: Stored, **changes: Any) -> Stored:
    return dataclasses.replace(stored, file=dataclasses.replace(stored.file, **changes))


def of_run(stored: Stored, run_id: str) -> Stored:
    return dataclasses.replace(stored, planned=dataclasses.replace(stored.planned, run_id=run_id))


N_STEPS = 400


def alone(image: SourceImage, job: ArchiveJob) -> Stored:
    """The outcome of `compress_images` for a group of one."""
    [result] = compress_images([image], job)
    if isinstance(result, Exception):
        raise result
    assert isinstance(result, Stored)
    return result


def source_image(path: Path) -> SourceImage:
    digest, n_bytes = digest_source(path.as_uri(), max_bytes=1 << 20)
    return SourceImage(digest, path.as_uri(), path.name, n_bytes)


@pytest.fixture(scope="module")
def kept_once(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("once")
    (folder / "a.png").write_bytes(file_of(photograph(9, 8, 3), icc_profile=b"not looked into"))
    recipe = Recipe(CodecConfig(model="mlp", preset="draft"), n_steps=N_STEPS)
    job = ArchiveJob(
        run_id="run", store=str(folder / "store"), recipe=recipe, options=RunOptions(device="cpu")
    )
    found = source_image(folder / "a.png")
    return Kept(found, job, alone(found, job))


def copied(once: Kept, folder: Path) -> Kept:
    """The same with a store of its own, which a test may change."""
    shutil.copytree(once.job.store, folder / "store")
    return dataclasses.replace(once, job=dataclasses.replace(once.job, store=str(folder / "store")))


@pytest.fixture
def kept(kept_once: Kept, tmp_path: Path) -> Kept:
    return copied(kept_once, tmp_path)


def test_claim_and_bitstream_are_there_before_the_record(kept: Kept):
    file = kept.stored.file
    assert hashlib.sha256(kept.path.read_bytes()).hexdigest() == file.bitstream_digest
    claim = claims.claimed(kept.store, kept.image.digest, kept.archive_digest)
    assert claim is not None
    assert claim.stored == kept.stored
    assert len(claim.history) > 0
    assert read_images(kept.store).num_rows == 0


def test_what_is_stored_is_what_the_original_and_the_fit_were(kept: Kept):
    stored = kept.stored
    picture, effort, file = stored.picture, stored.effort, stored.file
    assert (picture.source_format, picture.source_mode, picture.channels) == ("PNG", "RGB", 3)
    assert (picture.width, picture.height, picture.icc_n_bytes, picture.exif_n_bytes) == (8, 9, 15, 0)
    assert (effort.attempts, effort.refits, effort.device, effort.n_threads) == (1, None, "cpu", 1)
    assert 0 < effort.fit_seconds <= effort.encode_seconds
    assert file.rate_bpp == 8 * file.n_bytes / 72
    assert stored.network is not None
    assert stored.network.rd_lambda == 0.002
    assert stored.network.estimated_rate_bits == pytest.approx(8 * file.n_bytes, rel=0.2)


def test_what_a_killed_run_left_is_taken_over_without_a_fit(kept: Kept):
    job = dataclasses.replace(kept.job, run_id="another", options=RunOptions(deadline_seconds=1e-9))
    assert alone(kept.image, job) == of_run(kept.stored, "another")
    journal = [found.key for found in kept.store.objects("journal")]
    assert sum(key.endswith(claims.TAKEN) for key in journal) == 1  # however old the claim is, it is in use
    commit.record_batch(kept.job.store, [verify_image(kept.stored, kept.job)])
    assert kept.store.objects("journal") == []


def test_what_was_archived_since_it_was_planned_is_not_fitted_again(kept: Kept):
    """By a batch of a run whose parent is gone, say; without its object it is."""
    archived = verify_image(kept.stored, kept.job)
    commit.record_batch(kept.job.store, [archived])
    job = dataclasses.replace(kept.job, run_id="another", options=RunOptions(deadline_seconds=1e-9))
    [found] = compress_images([kept.image], job)
    assert isinstance(found, Archived)
    assert found.recorded_at > archived.recorded_at  # it has the time of its row
    assert dataclasses.replace(found, recorded_at=archived.recorded_at) == archived
    assert kept.store.objects("journal") == []
    kept.store.delete(kept.stored.file.key)
    with pytest.raises(DeadlineExceeded):
        alone(kept.image, job)


def test_what_another_run_fits_is_left_to_it_and_its_neighbours_go_on(kept: Kept, tmp_path: Path):
    (tmp_path / "b.png").write_bytes(file_of(image(1, 1, 3)))
    claims.discard(kept.store, kept.stored)
    with Leases(kept.store) as elsewhere:
        assert elsewhere.take(kept.image.digest, kept.archive_digest)
        first, second = compress_images([kept.image, source_image(tmp_path / "b.png")], kept.job)
        assert isinstance(first, FittedElsewhere)
        assert isinstance(second, Stored)
    assert [found.key for found in kept.store.objects("journal") if found.key.endswith(".fit")] == []
    assert isinstance(alone(kept.image, kept.job), Stored)


def test_what_is_taken_over_is_named_as_this_run_found_it(kept: Kept):
    elsewhere = dataclasses.replace(kept.image, uri="file:///b.png", path="b.png", also_at=("c.png",))
    assert alone(elsewhere, kept.job).planned.image == elsewhere


def test_an_original_that_changed_is_not_archived(kept: Kept, tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(file_of(image(8, 8, 3)))
    planned = source_image(path)
    path.write_bytes(file_of(image(8, 9, 3)))
    with pytest.raises(SourceError, match="the file has changed: expected SHA-256"):
        alone(planned, kept.job)


def test_what_is_no_image_stores_nothing(tmp_path: Path, kept: Kept):
    (tmp_path / "a.png").write_text("text")
    before = kept.store.objects("bitstreams")
    with pytest.raises(UnsupportedImage):
        alone(source_image(tmp_path / "a.png"), kept.job)
    assert kept.store.objects("bitstreams") == before


def other_claim(kept: Kept, bitstream: bytes) -> Claim:
    digest = hashlib.sha256(bitstream).hexdigest()
    stored = with_file(kept.stored, bitstream_digest=digest, n_bytes=len(bitstream))
    return Claim(of_run(stored, "late"), ())


def read(store: ObjectStore, kept: Kept) -> bytes:
    return store.get(kept.stored.file.key, max_bytes=1 << 20)


def test_the_loser_of_a_race_takes_over_the_winners_claim(kept: Kept):
    before = read(kept.store, kept)
    stored = store_claimed(kept.store, other_claim(kept, b"late"), b"late")
    assert stored == of_run(kept.stored, "late")
    assert read(kept.store, kept) == before


def test_the_loser_of_a_race_takes_over_the_winners_record(kept: Kept):
    archived = verify_image(kept.stored, kept.job)
    commit.append(kept.store, [archived])
    claims.forget(kept.store, archived.origin)
    stored = store_claimed(kept.store, other_claim(kept, b"late"), b"late")
    verified = with_file(kept.stored, psnr_db=archived.verification.psnr_db)
    assert stored == of_run(verified, "late")


def test_the_same_bytes_twice_are_no_conflict(kept: Kept):
    bitstream = read(kept.store, kept)
    assert store_claimed(kept.store, Claim(kept.stored, ()), bitstream) == kept.stored


def test_an_object_that_nobody_claims_is_replaced(kept: Kept):
    claims.forget(kept.store, kept.stored.planned)
    claim = other_claim(kept, b"late")
    assert store_claimed(kept.store, claim, b"late") == claim.stored
    assert read(kept.store, kept) == b"late"


NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 8, 3), np.uint8))


def contracted(tmp_path: Path, picture: Image.Image, contract: Contract) -> Kept:
    """A picture archived under a contract."""
    (tmp_path / "a.png").write_bytes(file_of(picture, icc_profile=b"not looked into"))
    config = CodecConfig(model="mlp", preset="draft", rd_lambda=0.02)
    job = ArchiveJob(
        run_id="run",
        store=str(tmp_path / "store"),
        recipe=Recipe(config, contract, N_STEPS),
        options=RunOptions(device="cpu"),
    )
    found = source_image(tmp_path / "a.png")
    return Kept(found, job, alone(found, job))


def test_what_no_fit_brings_up_to_the_contract_is_stored_without_loss(tmp_path: Path):
    kept = contracted(tmp_path, NOISE, Contract(60.0, max_refits=1))
    row = row_of(verify_image(kept.stored, kept.job))
    assert (row["status"], row["model"], row["psnr_db"]) == ("archived", LOSSLESS, math.inf)
    assert (row["min_psnr_db"], row["refits"], row["attempts"]) == (60.0, 1, 2)
    assert (row["rd_lambda"], row["n_parameters"], row["estimated_rate_bits"]) == (None, None, None)
    assert row["rate_bpp"] == 8 * row["n_bytes"] / (9 * 8)
    assert "stored without loss: the best of 2 fits has" in row["notes"][-1]
    assert row["key"] == object_key(kept.image.digest, kept.archive_digest, ".png")
    opened = open_picture(kept.path.read_bytes(), max_pixels=100)
    np.testing.assert_array_equal(opened.pixels, np.asarray(NOISE))
    claim = claims.claimed(kept.store, kept.image.digest, kept.archive_digest)
    assert claim is not None
    assert {point.attempt for point in claim.history} == {1, 2}
    assert claim.history[-1].rd_lambda < claim.history[0].rd_lambda == 0.02


@pytest.fixture(scope="module")
def lossless_once(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return contracted(tmp_path_factory.mktemp("lossless"), NOISE, Contract(100.0, max_refits=0))


def test_what_is_stored_without_loss_is_taken_over_without_a_fit(lossless_once: Kept):
    job = dataclasses.replace(lossless_once.job, run_id="another", options=RunOptions(deadline_seconds=1e-9))
    assert alone(lossless_once.image, job) == of_run(lossless_once.stored, "another")


def test_a_refit_that_meets_the_contract_is_stored_as_a_bitstream(tmp_path: Path):
    loose = contracted(tmp_path, photograph(16, 16, 3), Contract(10.0)).stored
    assert (loose.effort.refits, loose.model) == (0, "mlp")
    assert loose.network is not None
    assert loose.network.rd_lambda == 0.02
    kept = contracted(tmp_path, photograph(16, 16, 3), Contract(loose.file.psnr_db + 8.0))
    archived = verify_image(kept.stored, kept.job)
    assert kept.stored.effort.refits is not None
    assert kept.stored.effort.refits >= 1
    assert kept.stored.network is not None
    assert kept.stored.network.rd_lambda < 0.02
    assert archived.verification.psnr_db >= loose.file.psnr_db + 8.0
    assert kept.archive_digest != loose.planned.setting.archive_digest


def test_without_a_contract_nothing_tells_of_one(kept: Kept):
    assert (kept.stored.planned.setting.min_psnr_db, kept.stored.effort.refits) == (None, None)
    assert kept.archive_digest == kept.job.recipe.archive_digest()


def test_a_group_has_a_result_or_an_error_for_each_in_order(kept: Kept, tmp_path: Path):
    """The first was stored before, one changed, one is no image, and two are fitted."""
    paths = [tmp_path / name for name in ("changed.png", "text.png", "one.png", "two.png")]
    for n, path in enumerate(paths):
        path.write_bytes(file_of(photograph(8, 8 + n, 3)))
    paths[1].write_text("no photograph")
    images = [kept.image, *map(source_image, paths)]
    paths[0].write_bytes(file_of(image(8, 9, 4)))
    seen: set[str] = set()
    results = compress_images(images, kept.job, report=seen.update)
    kinds = [type(result).__name__ for result in results]
    assert kinds == ["Stored", "SourceError", "UnsupportedImage", "Stored", "Stored"]
    assert seen == {"one.png", "two.png"}
    for found, result in zip(images, results, strict=True):
        if isinstance(result, Stored):
            assert result.planned.image == found
            assert verify_image(result, kept.job).stored == result
            assert result.effort.encode_seconds >= result.effort.fit_seconds > 0


def test_a_deadline_ends_one_image_of_a_group_and_not_its_neighbours(kept: Kept, tmp_path: Path):
    names = ("one.png", "slow.png", "two.png")
    for n, name in enumerate(names):
        (tmp_path / name).write_bytes(file_of(image(8 + n, 9, 3)))

    def report(progress: Mapping[str, Progress]) -> None:
        if "slow.png" in progress:
            time.sleep(3.0)

    options = RunOptions(device="cpu", deadline_seconds=2.5)
    recipe = dataclasses.replace(kept.job.recipe, n_steps=100)
    job = dataclasses.replace(kept.job, options=options, recipe=recipe)
    one, slow, two = compress_images([source_image(tmp_path / name) for name in names], job, report=report)
    assert isinstance(slow, DeadlineExceeded)
    assert str(slow).startswith("expected at most 2.5 s, found 3.")
    assert [type(result) for result in (one, two)] == [Stored, Stored]


def test_a_run_that_is_cancelled_ends_every_image_of_its_group(kept: Kept, tmp_path: Path):
    (tmp_path / "a.png").write_bytes(file_of(image(16, 9, 3)))
    (tmp_path / "flat.png").write_bytes(file_of(image(1, 1, 3)))
    images = [source_image(tmp_path / name) for name in ("a.png", "flat.png")]
    job = dataclasses.replace(kept.job, run_id="cancelled while it fits")
    cancel(job.run_id)
    fitted, flat = compress_images(images, job)
    assert isinstance(fitted, RunCancelled)
    assert isinstance(flat, Stored)  # it needs no fit, and is done before anybody asks


def test_a_store_that_refuses_ends_the_image_and_not_the_group(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in (("a.png", 1), ("b.png", 2)):
        (tmp_path / name).write_bytes(file_of(Image.new("RGB", (3, 2), (value, 2, 3))))
    images = [source_image(tmp_path / name) for name in ("a.png", "b.png")]
    put = LocalStore.put

    def refusing(self: LocalStore, key: str, data: bytes) -> bool:
        if images[0].digest in key:
            raise StorageError("no room")
        return put(self, key, data)

    monkeypatch.setattr(LocalStore, "put", refusing)
    first, second = compress_images(images, kept.job)
    assert isinstance(first, StorageError)
    assert isinstance(second, Stored)


def test_the_device_of_a_job_is_the_callers_error(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (tmp_path / "b.png").write_bytes(file_of(photograph(16, 16, 3)))
    job = dataclasses.replace(kept.job, options=RunOptions(device="cuda"))
    with pytest.raises(ConfigError, match="expected a CUDA device"):
        compress_images([source_image(tmp_path / "b.png")], job)


def test_a_group_that_waits_for_the_card_holds_its_images(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Another group of the process may have the card for longer than a fit may be silent."""
    heard: list[float] = []

    @contextmanager
    def busy(device: str, *, waits: Callable[[], object]) -> Iterator[None]:
        for _ in range(2):
            waits()
        yield

    def hear(leases: Leases) -> None:
        heard.append(leases._heard)

    monkeypatch.setattr("tasks.steps.compress.the_device", busy)
    monkeypatch.setattr(Leases, "hear", hear)
    compress_images([kept.image], dataclasses.replace(kept.job, store=str(tmp_path / "new")))
    assert len(heard) >= 2


def stored_in(folder: Path, data: bytes, **goal: Any) -> tuple[Kept, dict[str, Any]]:
    """A picture that was archived with short fits, and its row."""
    (folder / "a.png").write_bytes(data)
    recipe = Recipe(CodecConfig(preset="draft", **goal), n_steps=20)
    options = RunOptions(device="cpu")
    job = ArchiveJob(run_id="run", store=str(folder / "store"), recipe=recipe, options=options)
    found = source_image(folder / "a.png")
    kept = Kept(found, job, alone(found, job))
    return kept, row_of(verify_image(kept.stored, job))


def chart() -> Image.Image:
    blocks = np.random.default_rng(0).integers(0, 3, (8, 8))
    palette = np.array([[0, 0, 0], [250, 90, 3], [255, 255, 255]], np.uint8)
    return Image.fromarray(palette[np.kron(blocks, np.ones((8, 8), int))])


@pytest.mark.parametrize("goal", [{"rd_lambda": 0.01}, {"target_psnr_db": 35.0}, {"target_bpp": 1.0}])
def test_what_is_no_photograph_is_stored_without_loss_and_without_a_fit(
    tmp_path: Path, goal: dict[str, float]
):
    kept, row = stored_in(tmp_path, file_of(chart()), **goal)
    assert (row["model"], row["psnr_db"], row["device"]) == (LOSSLESS, math.inf, None)
    assert (row["attempts"], row["restarts"], row["fit_seconds"]) == (0, 0, 0.0)
    assert row["encode_seconds"] > 0
    assert row["notes"] == ["stored without loss: no fit can be hoped to serve the goal better"]
    assert row["n_bytes"] < kept.image.n_bytes
    np.testing.assert_array_equal(
        open_picture(kept.path.read_bytes(), max_pixels=5000).pixels, np.asarray(chart())
    )
    assert claims.claimed(kept.store, kept.image.digest, kept.archive_digest) is not None


def test_what_is_better_without_loss_after_a_fit_keeps_what_the_fit_took(tmp_path: Path):
    """Three steps make no fit of it; that nothing better could be hoped for was not seen before."""
    kept, row = stored_in(tmp_path, file_of(photograph(24, 24, 1)), rd_lambda=1e-5)
    assert (row["model"], row["attempts"], row["device"]) == (LOSSLESS, 1, "cpu")
    assert row["notes"][0].startswith("stored without loss: the bitstream has ")
    assert row["psnr_db"] == math.inf
    assert kept.stored.network is None


def test_an_original_is_never_smaller_than_what_is_stored_of_it_without_loss(tmp_path: Path):
    small = to_lossless(open_picture(file_of(chart()), max_pixels=5000)).data
    kept, row = stored_in(tmp_path, small)
    assert row["n_bytes"] <= len(small)
    assert row["source_n_bytes"] == len(small)
    if kept.path.read_bytes() == small:
        assert "the file is the original as it was" in row["notes"]


@pytest.mark.parametrize(("hidden", "said"), [("ignore", "do not count"), ("keep", "count")])
def test_a_row_says_what_was_done_with_colours_that_nobody_sees(tmp_path: Path, hidden: str, said: str):
    pixels = np.asarray(photograph(24, 24, 4)).copy()
    pixels[:, :, 3] = 255
    pixels[16:, :, 3] = 0
    kept, row = stored_in(tmp_path, file_of(Image.fromarray(pixels)), hidden=hidden)
    assert row["notes"][0].startswith(f"the colours of {8 * 24} fully transparent pixels {said}")
    assert row["psnr_db"] == kept.stored.file.psnr_db


def test_an_image_that_is_best_as_its_mean_colour_says_so(tmp_path: Path):
    pixels = np.asarray(photograph(24, 24)) // 32 + 100
    _, row = stored_in(tmp_path, file_of(Image.fromarray(pixels)), rd_lambda=0.5)
    assert row["notes"] == ["stored as its mean colour alone, which serves the goal better than a fit"]
    assert (row["model"], row["n_parameters"], row["n_bytes"]) == ("cnn", 0, 25)
    assert math.isfinite(row["psnr_db"])


def test_an_image_of_one_colour_is_stored_without_a_fit(kept: Kept, tmp_path: Path):
    (tmp_path / "flat.png").write_bytes(file_of(Image.new("RGB", (5, 4), (1, 2, 3))))
    stored = alone(source_image(tmp_path / "flat.png"), kept.job)
    assert (stored.effort.attempts, stored.effort.fit_seconds, stored.effort.device) == (0, 0.0, None)
    assert stored.file.psnr_db == math.inf
    assert stored.model == "mlp"


def budgeted(kept: Kept, folder: Path, seconds: float, **changes: Any) -> ArchiveJob:
    """The job of an image that has so many seconds, into a store of its own."""
    recipe = Recipe(CodecConfig(model="mlp"), seconds_per_image=seconds)
    return dataclasses.replace(kept.job, store=str(folder / "budgeted"), recipe=recipe, **changes)


def test_steps_are_chosen_for_a_time_and_the_row_says_which_so_that_the_file_can_be_made_again(
    kept: Kept, tmp_path: Path
):
    job = budgeted(kept, tmp_path, 10.0)
    with fits_from(1, 1000):
        stored = alone(kept.image, job)
    row = row_of(verify_image(stored, job))
    assert (row["preset"], row["budget_seconds"]) == ("10 s", 10.0)
    assert 1 <= row["n_steps"] <= 1000
    recipe = Recipe(CodecConfig(model="mlp"), n_steps=row["n_steps"])
    again = alone(kept.image, dataclasses.replace(job, recipe=recipe))
    assert again.file.bitstream_digest == stored.file.bitstream_digest
    assert (again.effort.n_steps, again.effort.budget_seconds) == (row["n_steps"], None)


def test_a_share_of_the_hours_of_a_run_is_a_time_like_any_other(kept: Kept, tmp_path: Path):
    recipe = Recipe(CodecConfig(model="mlp"), in_hours=True)
    job = dataclasses.replace(kept.job, store=str(tmp_path / "budgeted"), recipe=recipe, seconds=1e4)
    with fits_from(1, 60):
        effort = alone(kept.image, job).effort
    assert (effort.budget_seconds, effort.n_steps) == (1e4, 60)


def test_images_of_a_group_share_its_time(kept: Kept, tmp_path: Path):
    (tmp_path / "other.png").write_bytes(file_of(photograph(16, 18, 3)))
    recipe = Recipe(CodecConfig(model="mlp"), in_hours=True)
    job = dataclasses.replace(kept.job, store=str(tmp_path / "budgeted"), recipe=recipe, seconds=100.0)
    with fits_from(1, 60):
        results = compress_images([kept.image, source_image(tmp_path / "other.png")], job)
    assert [
        (its.effort.budget_seconds, its.effort.n_steps) for its in results if isinstance(its, Stored)
    ] == [(50.0, 60)] * 2


def test_a_time_too_short_fails_the_images_that_need_a_fit_alone(kept: Kept, tmp_path: Path):
    """What is stored without a fit, or is the mean colour alone, needs no time for steps."""
    (tmp_path / "flat.png").write_bytes(file_of(Image.new("RGB", (9, 9), (1, 2, 3))))
    job = budgeted(kept, tmp_path, 1e-3)
    flat, photo = compress_images([source_image(tmp_path / "flat.png"), kept.image], job)
    assert isinstance(photo, BudgetTooSmall)
    assert str(photo).startswith("the time is too short: ")
    assert re.search(r"\d+\.\d s (are left|more than it).*; give at least \d+\.\d s more$", str(photo))
    [alone_flat] = compress_images([source_image(tmp_path / "flat.png")], job)
    assert isinstance(alone_flat, Stored)
    assert (alone_flat.effort.attempts, alone_flat.effort.n_steps) == (0, None)
    assert isinstance(flat, BudgetTooSmall)  # a group is fitted together


def test_every_row_says_how_many_steps_its_fits_took(kept: Kept):
    assert (kept.stored.effort.n_steps, kept.stored.effort.budget_seconds) == (N_STEPS, None)


def test_a_run_that_is_stopped_ends_before_steps_are_chosen(kept: Kept, tmp_path: Path):
    job = budgeted(kept, tmp_path, 1e6, run_id="stopped while timed")
    cancel(job.run_id)
    [found] = compress_images([kept.image], job)
    assert isinstance(found, RunCancelled)
    assert str(found) == "the run was stopped before a fit began"
