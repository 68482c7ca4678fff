import dataclasses
import math
import platform
from datetime import UTC
from importlib.metadata import version

import pytest

import inr
from inr.bitstream import FORMAT_VERSION
from tasks.catalogue.records import (
    LOSSLESS,
    MAX_MESSAGE,
    Archived,
    Failed,
    Listed,
    Maker,
    Outcome,
    Stored,
    now,
)
from tests.tasks.rows import archived, failed, listed, planned, stored_of

STORED = stored_of(planned())
OUTCOMES: list[Outcome] = [
    archived(),
    failed(),
    Failed.of(STORED, ValueError()),
    Failed.of(listed(), OSError()),
]


def test_every_stage_has_the_path_of_its_image():
    stages = (listed(), planned(), STORED, archived(), *OUTCOMES)
    assert {stage.path for stage in stages} == {"a.png"}


def test_both_endings_know_where_they_began():
    assert [type(outcome.origin).__name__ for outcome in OUTCOMES] == ["Planned"] * 3 + ["Listed"]
    assert {outcome.origin.run_id for outcome in OUTCOMES} == {"run"}


def test_both_endings_know_what_was_stored():
    assert [isinstance(outcome.stored, Stored) for outcome in OUTCOMES] == [True, False, True, False]
    assert OUTCOMES[2].stored is STORED


def test_a_file_without_a_network_is_without_loss():
    assert (STORED.model, dataclasses.replace(STORED, network=None).model) == ("mlp", LOSSLESS)


@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (ValueError("no"), "ValueError", "no"),
        (KeyError(), "KeyError", "KeyError"),
        (ValueError("x" * 5000), "ValueError", "x" * MAX_MESSAGE),
        (KeyboardInterrupt(), "KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_a_failure_has_a_name_and_a_message_that_is_bounded_and_never_empty(
    error: BaseException, name: str, message: str
):
    failure = Failed.of(planned(), error)
    assert (failure.error_type, failure.error_message) == (name, message)
    assert failure.recorded_at.tzinfo is UTC


def test_stages_are_frozen_and_compare_by_value():
    for stage in (listed(), planned(), STORED):
        with pytest.raises(dataclasses.FrozenInstanceError):
            stage.run_id = "another"
    assert planned() == planned() != planned("b.png")
    assert len({listed(), listed(), planned(), STORED, STORED}) == 3


def test_the_maker_is_this_program_on_this_machine():
    here = Maker.here()
    assert (here.format_version, here.encoder_version) == (FORMAT_VERSION, inr.__version__)
    assert (here.torch_version, here.python_version) == (version("torch"), platform.python_version())
    assert here.machine == f"{platform.system()} {platform.machine()}"


def test_what_no_file_had_is_not_known_of_one_that_could_not_be_read():
    fields = {field.name for field in dataclasses.fields(Listed)}
    assert fields == {"run_id", "file", "setting", "maker"}
    assert not hasattr(listed(), "image")


def test_times_are_utc():
    assert now().tzinfo is UTC
    image = archived()
    assert isinstance(image, Archived)
    assert image.verification.verified_at <= image.recorded_at
    assert math.isfinite(image.verification.psnr_db)
