from pathlib import Path

import pytest
from pydantic import ValidationError

from inr.errors import ConfigError
from tasks.settings import RunOptions, S3Options, load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_any_settings_the_defaults_hold():
    assert load_settings().options() == RunOptions()
    assert load_settings().store is None


def test_caller_before_environment_before_env_file_before_toml(monkeypatch: pytest.MonkeyPatch):
    Path("inr.toml").write_text("workers = 1\nbatch_images = 1\nmax_pixels = 1\nstore = 'a'\n")
    Path(".env").write_text("INR_BATCH_IMAGES=2\nINR_MAX_PIXELS=2\nINR_STORE=b\nOTHER=x\n")
    monkeypatch.setenv("INR_MAX_PIXELS", "3")
    monkeypatch.setenv("INR_STORE", "c")
    settings = load_settings(store="d", device=None)
    found = (settings.workers, settings.batch_images, settings.max_pixels, settings.store, settings.device)
    assert found == (1, 2, 3, "d", "auto")


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"workers": 65}, "workers"),
        ({"workers": -1}, "workers"),
        ({"device": "tpu"}, "device"),
        ({"deadline_seconds": 0}, "deadline_seconds"),
        ({"deadline_seconds": float("inf")}, "deadline_seconds"),
        ({"max_pixels": 2**26 + 1}, "max_pixels"),
        ({"deployment": "foo"}, "^deployment: expected FLOW/NAME of one that is deployed"),
        ({"deployment": "/foo"}, "deployment"),
        ({"max_file_bytes": 2**32 + 1}, "max_file_bytes"),
    ],
)
def test_a_value_out_of_range_is_named(given: dict[str, object], where: str):
    with pytest.raises(ConfigError, match=f"{where}.*, found"):
        load_settings(**given)


def test_a_toml_file_that_is_none_is_named():
    Path("inr.toml").write_text("workers = = 1")
    with pytest.raises(ConfigError, match="settings"):
        load_settings()


def test_a_run_is_given_its_options_and_no_store():
    options = load_settings(workers=3, store="here", runner="dask").options()
    assert type(options) is RunOptions
    assert (options.workers, options.runner) == (3, "dask")
    assert options.model_dump().keys() == RunOptions.model_fields.keys()


def test_options_know_what_the_caller_said(monkeypatch: pytest.MonkeyPatch):
    """What stands in the environment of a host is for that host."""
    monkeypatch.setenv("INR_DEVICE", "cuda")
    monkeypatch.setenv("INR_DEADLINE_SECONDS", "7")
    options = load_settings(workers=3, deadline_seconds=None, store="here").options()
    assert (options.device, options.deadline_seconds, options.workers) == ("cuda", 7, 3)
    assert options.said() == {"workers": 3}
    assert RunOptions(device="auto", deadline_seconds=None).said() == {"device": "auto"}
    assert RunOptions.model_validate({"deployment": "a/b"}).said() == {"deployment": "a/b"}
    assert load_settings(**options.said()).options() == options


def test_options_are_frozen_and_know_no_other_name():
    with pytest.raises(ValidationError):
        RunOptions().workers = 3
    with pytest.raises(ValidationError, match="colour"):
        RunOptions(colour="red")


def test_how_objects_are_written_to_s3_comes_from_the_same_places(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INR_S3_STORAGE_CLASS", "STANDARD_IA")
    Path("inr.toml").write_text("s3_encryption = 'aws:kms'\ns3_kms_key_id = 'key'\n")
    assert load_settings().s3() == S3Options(
        storage_class="STANDARD_IA", encryption="aws:kms", kms_key_id="key"
    )
    assert S3Options() == S3Options(storage_class=None, encryption=None, kms_key_id=None)


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INR_STORE", "")
    monkeypatch.setenv("INR_WORKERS", "")
    assert (load_settings().store, load_settings().workers) == (None, 0)
