"""Settings: how a run works, as opposed to what it produces (that is `inr.config.CodecConfig`).

They come, first found first taken, from the caller, the environment (``INR_DEVICE=cpu``), a file
``.env`` and a file ``inr.toml`` in the working directory. None of them changes which bytes a
bitstream of this machine consists of, so none is part of a key.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from inr.bitstream import MAX_PIXELS
from inr.errors import ConfigError

Device = Literal["auto", "cpu", "cuda"]

MAX_WORKERS = 64
MAX_FILE_BYTES = 2**32  # a file is in memory as a whole


class RunOptions(BaseModel):
    """The ways in which a run works, as opposed to what it produces.

    Attributes:
        device: Device of the fits. ``auto`` takes CUDA where there is one.
        workers: Images in flight at once; 0 chooses: one per CPU core. On a GPU, which makes one fit at a
            time, groups of images; 0 chooses two: one is fitted, and one opened or checked.
        images_per_fit: Images that are fitted together, at most; 0 chooses: one on a CPU, 16 on a GPU. Those
            of one size take their steps together, as many as the memory of the GPU has room for.
        deadline_seconds: Longest time of one image's fits, of images that are fitted together each one's
            share; none if not given.
        batch_images: Records per catalogue part.
        max_pixels: Largest image taken, in pixels.
        max_file_bytes: Largest file taken, in bytes.
        runner: Engine of the tasks: threads of this process, or Dask, which is an extra.
        runner_address: Address of a Dask scheduler that is there; if not given, one is started.
        outage_seconds: Time for which a run waits for a store that does not answer.
        deployment: ``flow/name`` of the deployment that does the batches of an archive, on any host; if
            not given, they are done in this process.
        untaken_seconds: Time after which a run does its batches itself, if no worker has any of them.
        begin_seconds: Time that a worker has from taking a batch to its first line; then the batch is lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Device = "auto"
    workers: int = Field(default=0, ge=0, le=MAX_WORKERS)
    images_per_fit: int = Field(default=0, ge=0, le=256)
    deadline_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    batch_images: int = Field(default=64, ge=1, le=100_000)
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, le=MAX_PIXELS)
    max_file_bytes: int = Field(default=2**29, ge=1, le=MAX_FILE_BYTES)
    runner: Literal["threads", "dask"] = "threads"
    runner_address: str | None = None
    outage_seconds: float = Field(default=3600.0, ge=0, allow_inf_nan=False)
    deployment: str | None = None
    untaken_seconds: float = Field(default=1800.0, ge=0, allow_inf_nan=False)
    begin_seconds: float = Field(default=300.0, gt=0, allow_inf_nan=False)

    @field_validator("deployment")
    @classmethod
    def _is_a_name_of_one(cls, found: str | None) -> str | None:
        flow, _, name = (found or "a/b").partition("/")
        if not flow or not name or "/" in name:
            raise PydanticCustomError("deployment", "expected FLOW/NAME of one that is deployed")
        return found

    def said(self) -> dict[str, Any]:
        """The values that the caller gave, and none that was left to the host; what is null was not given."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


class S3Options(BaseModel):
    """The ways in which objects are written to S3; the bucket's defaults hold for what is not given.

    Attributes:
        storage_class: ``STANDARD_IA``, ``GLACIER_IR``, ...
        encryption: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``.
        kms_key_id: Id of the key, where KMS encrypts.
    """

    model_config = ConfigDict(frozen=True)

    storage_class: str | None = None
    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    kms_key_id: str | None = None


class Settings(RunOptions, BaseSettings):
    """`RunOptions` as the environment, ``.env`` and ``inr.toml`` give them, and those of the store.

    Attributes:
        store: Store to archive into when none is named.
        s3_storage_class: See `S3Options`.
        s3_encryption: See `S3Options`.
        s3_kms_key_id: See `S3Options`.
    """

    model_config = SettingsConfigDict(
        env_prefix="INR_",
        env_file=".env",
        toml_file="inr.toml",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
    )

    store: str | None = None
    s3_storage_class: str | None = None
    s3_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    s3_kms_key_id: str | None = None
    _given: frozenset[str] = PrivateAttr(frozenset())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Caller, environment, ``.env``, ``inr.toml``, in this order."""
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)

    def options(self) -> RunOptions:
        """The part of the settings that a run is given; `RunOptions.said` of it is what the caller gave."""
        values = {name: getattr(self, name) for name in RunOptions.model_fields}
        return RunOptions.model_construct(set(self._given & values.keys()), **values)

    def s3(self) -> S3Options:
        """The ways in which this process writes to S3."""
        return S3Options(**{name: getattr(self, f"s3_{name}") for name in S3Options.model_fields})


def load_settings(**given: Any) -> Settings:
    """Settings with what the caller gave on top; a value of None means not given.

    Raises:
        ConfigError: A value is out of its range, or ``inr.toml`` is not TOML. Says which.
    """
    said = {name: value for name, value in given.items() if value is not None}
    try:
        settings = Settings(**said)
        settings._given = frozenset(said)
        return settings
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: {first['msg']}, found {first['input']!r}") from error
    except ValueError as error:  # tomllib.TOMLDecodeError, an .env that is not text
        raise ConfigError(f"settings: {error}") from error
