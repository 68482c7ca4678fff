"""One row of the catalogue, as the tasks pass it around, and the digests that name an image's place.

`CatalogueRecord` is documented field by field in CATALOGUE.md; `tasks.catalogue.parts` holds the same
columns as an Arrow schema, and a test holds the two together.
"""

import dataclasses
import functools
import hashlib
import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import inr
from inr import Contract
from inr.bitstream import FORMAT_VERSION
from inr.config import CodecConfig
from inr.errors import ConfigError
from tasks.originals.listing import SourceImage

IMAGES_SCHEMA_VERSION = 2
AUDITS_SCHEMA_VERSION = 1
ARCHIVED = "archived"
LOSSLESS = "lossless"  # the model of what no fit brought up to its contract
FAILED = "failed"
STORED = "stored"
INTACT = "intact"
DAMAGED = "damaged"
MISSING = "missing"
ORPHAN = "orphan"
UNAVAILABLE = "unavailable"
LOST = frozenset({DAMAGED, MISSING})
BITSTREAM_SUFFIX = ".inr"
SUFFIXES = (BITSTREAM_SUFFIX, ".webp", ".png")
GOALS = ("rd_lambda", "target_psnr_db", "target_bpp")


@dataclass(frozen=True, kw_only=True)
class CatalogueRecord:
    """What is known of one image under one config after one run; see CATALOGUE.md for each field."""

    schema_version: int = IMAGES_SCHEMA_VERSION
    run_id: str
    recorded_at: datetime
    status: str
    error_type: str | None = None
    error_message: str | None = None
    image_digest: str | None
    archive_digest: str
    config_digest: str
    config_json: str
    key: str | None = None
    bitstream_digest: str | None = None
    symbols_digest: str | None = None
    pixels_digest: str | None = None
    source_uri: str
    source_path: str
    also_at: tuple[str, ...] = ()
    source_n_bytes: int | None = None
    source_format: str | None = None
    source_mode: str | None = None
    width: int | None = None
    height: int | None = None
    channels: int | None = None
    icc_n_bytes: int | None = None
    exif_n_bytes: int | None = None
    notes: tuple[str, ...] = ()
    model: str
    preset: str
    goal: str
    goal_value: float
    seed: int
    rd_lambda: float | None = None
    n_parameters: int | None = None
    n_bytes: int | None = None
    rate_bpp: float | None = None
    estimated_rate_bits: float | None = None
    psnr_db: float | None = None
    ms_ssim: float | None = None
    attempts: int | None = None
    restarts: int | None = None
    fit_seconds: float | None = None
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    verify_seconds: float | None = None
    verified_at: datetime | None = None
    device: str | None = None
    n_threads: int | None = None
    format_version: int = FORMAT_VERSION
    encoder_version: str = inr.__version__
    torch_version: str
    python_version: str
    machine: str
    min_psnr_db: float | None = None
    refits: int | None = None


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """What an audit found of one stored bitstream; see CATALOGUE.md for each field."""

    schema_version: int = AUDITS_SCHEMA_VERSION
    run_id: str
    checked_at: datetime
    key: str
    image_digest: str | None = None
    archive_digest: str | None = None
    status: str
    error_type: str | None = None
    error_message: str | None = None
    n_bytes: int | None = None
    decode_seconds: float | None = None


def archive_digest(config: CodecConfig, contract: Contract | None = None) -> str:
    """SHA-256 over what decides the bytes beside the image: config, contract, format and encoder version."""
    decides: dict[str, object] = {
        "config": config.digest(),
        "encoder": inr.__version__,
        "format": FORMAT_VERSION,
    }
    if contract is not None:
        decides["contract"] = dataclasses.asdict(contract)
    return hashlib.sha256(json.dumps(decides, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def object_key(image_digest: str, archive_digest: str, suffix: str) -> str:
    """Where the object of an image under a config is stored; `suffix`, one of `SUFFIXES`, says what it is."""
    return f"bitstreams/{image_digest[:2]}/{image_digest}/{archive_digest}{suffix}"


def object_keys(image_digest: str, archive_digest: str) -> tuple[str, ...]:
    """Every key that the object of an image under a config may have."""
    return tuple(object_key(image_digest, archive_digest, suffix) for suffix in SUFFIXES)


def now() -> datetime:
    """The time, in UTC, as rows carry it."""
    return datetime.now(UTC)


def goal(config: CodecConfig) -> tuple[str, float]:
    """The goal's name, one of `GOALS`, and its value."""
    for name in GOALS:
        if (value := getattr(config, name)) is not None:
            return name, float(value)
    raise ConfigError(f"config: expected one of {', '.join(GOALS)}, found none")


def described(config: CodecConfig, contract: Contract | None = None) -> str:
    """Model, preset, goal and contract, for people."""
    name, value = goal(config)
    least = f", at least {contract.min_psnr_db:g} dB" if contract else ""
    return f"{config.model} {config.preset}, {name} = {value:g}{least}"


def planned_record(
    run_id: str, config: CodecConfig, image: SourceImage, contract: Contract | None = None
) -> CatalogueRecord:
    """The row of an image of which nothing but its file is known yet, with status ``failed``."""
    goal_name, goal_value = goal(config)
    return CatalogueRecord(
        run_id=run_id,
        recorded_at=now(),
        status=FAILED,
        image_digest=image.digest or None,
        archive_digest=archive_digest(config, contract),
        config_digest=config.digest(),
        config_json=config.to_json(),
        source_uri=image.uri,
        source_path=image.path,
        also_at=image.also_at,
        source_n_bytes=image.n_bytes,
        model=config.model,
        preset=config.preset,
        goal=goal_name,
        goal_value=goal_value,
        seed=config.seed,
        torch_version=_torch_version(),
        python_version=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        min_psnr_db=contract.min_psnr_db if contract else None,
    )


@functools.cache
def _torch_version() -> str:
    return version("torch")  # read from a file, milliseconds each time


def failed_record(record: CatalogueRecord, error: BaseException) -> CatalogueRecord:
    """The row of an image that failed: what was known, and the error's name and message."""
    return dataclasses.replace(
        record,
        status=FAILED,
        recorded_at=now(),
        error_type=type(error).__name__,
        error_message=str(error)[:2000] or type(error).__name__,
    )
