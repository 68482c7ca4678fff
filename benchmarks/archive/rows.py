"""Rows of a catalogue without images behind them, since nobody waits for a million fits.

Both models at five λ, one row in fifty a failure; digests are random, figures about as large as real ones.
They are written in parts as large as an archive's, by the catalogue's own writer.
"""

import hashlib
import math
import platform
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from inr.bitstream import FORMAT_VERSION
from inr.config import MODELS, CodecConfig
from tasks.catalogue.columns import HISTORY_COLUMNS, IMAGES_COLUMNS, Row
from tasks.catalogue.parts import HISTORY, IMAGES, write_rows
from tasks.store.objects import ObjectStore

LAMBDAS = (0.025, 0.01, 0.004, 0.0015, 0.0006)
LAST_DAY = datetime(2026, 6, 30, tzinfo=UTC)
FAILED_ONE_IN = 50
LOWEST_DB = 33.0  # above that of the real images of `benchmarks.archive.report`
REPORTS_PER_FIT = 40
FAILURE = {
    "status": "failed",
    "error_type": "UnsupportedImage",
    "error_message": "TIFF: expected 8 bits per sample, found 16",
}


def add_synthetic_rows(
    store: ObjectStore,
    n_rows: int,
    *,
    rows_per_part: int = 64,
    n_days: int = 0,
    repeat_every: int = 0,
    with_histories: bool = True,
) -> None:
    """Write rows into new parts.

    Args:
        store: The archive.
        n_rows: Number of rows.
        rows_per_part: Rows of a part.
        n_days: Days over which they are spread, up to `LAST_DAY`; their parts are named by them.
        repeat_every: Period, in rows, at which a row is the second of its image; no row is if 0.
        with_histories: True if the fits of these rows have histories.
    """
    rows = synthetic_rows(n_rows, n_days, repeat_every)
    while part := list(islice(rows, rows_per_part)):
        name = f"{part[0]['recorded_at']:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex}.parquet"
        if with_histories:
            archived = [row for row in part if row["status"] == "archived"]
            write_rows(store, HISTORY, name, [point for row in archived for point in _history(row)])
        write_rows(store, IMAGES, name, part)


def synthetic_rows(n_rows: int, n_days: int, repeat_every: int) -> Iterator[Row]:
    """The rows, in the order in which runs would write them."""
    draw = random.Random(0)
    for number in range(n_rows):
        is_second = repeat_every and number % repeat_every == repeat_every - 1
        row = _planned(number - 1 if is_second else number, draw)
        row["recorded_at"] = LAST_DAY - timedelta(days=n_days * (1 - number / n_rows))
        yield row | (FAILURE if number % FAILED_ONE_IN == FAILED_ONE_IN - 1 else _archived(row, draw))


def source_path(number: int) -> str:
    """The path of an image."""
    return f"2024/{number % 12 + 1:02d}/synthetic-{number:06d}.jpg"


def _planned(number: int, draw: random.Random) -> Row:
    """The columns of a row that are known before its fit."""
    rd_lambda = LAMBDAS[number // len(MODELS) % len(LAMBDAS)]
    config = CodecConfig(model=MODELS[number % len(MODELS)], preset="draft", rd_lambda=rd_lambda)
    return dict.fromkeys(name for name, _, _ in IMAGES_COLUMNS.columns) | {
        "schema_version": IMAGES_COLUMNS.version,
        "run_id": "synthetic",
        "image_digest": hashlib.sha256(str(number).encode()).hexdigest(),
        "archive_digest": hashlib.sha256(config.digest().encode()).hexdigest(),
        "config_digest": config.digest(),
        "config_json": config.to_json(),
        "source_uri": f"file:///nowhere/{source_path(number)}",
        "source_path": source_path(number),
        "also_at": [],
        "source_n_bytes": draw.randrange(200_000, 6_000_000),
        "notes": [],
        "model": config.model,
        "preset": config.preset,
        "goal": "rd_lambda",
        "goal_value": rd_lambda,
        "seed": config.seed,
        "format_version": FORMAT_VERSION,
        "encoder_version": "synthetic",
        "torch_version": "synthetic",
        "python_version": platform.python_version(),
        "machine": "synthetic",
    }


def _archived(row: Row, draw: random.Random) -> Row:
    """The columns that an archived image has beyond those of a planned one."""
    width, height = draw.choice([(768, 512), (1024, 768), (640, 480)])
    detail, rd_lambda, digest = draw.gauss(0, 1), row["goal_value"], row["image_digest"]
    share = 0.65 if row["model"] == MODELS[-1] else 1.0  # so that the families' curves lie apart
    rate_bpp = share * 0.1 * (rd_lambda / 0.025) ** -0.6 * math.exp(0.5 * detail)
    psnr_db = 41 - 2.6 * math.log10(rd_lambda / 0.0006) - 1.5 * detail + draw.gauss(0, 0.8)
    n_bytes = max(200, round(rate_bpp * width * height / 8))
    fit_seconds = draw.uniform(20, 200)
    return {
        "status": "archived",
        "key": f"bitstreams/{digest[:2]}/{digest}/{row['archive_digest']}.inr",
        **{f"{of}_digest": draw.randbytes(32).hex() for of in ("bitstream", "symbols", "pixels")},
        **{"source_format": "JPEG", "source_mode": "RGB"},
        **{"width": width, "height": height, "channels": 3, "icc_n_bytes": 0, "exif_n_bytes": 0},
        "rd_lambda": rd_lambda,
        "n_parameters": draw.randrange(5000, 80_000),
        "n_bytes": n_bytes,
        "rate_bpp": 8 * n_bytes / (width * height),
        "estimated_rate_bits": 8.0 * n_bytes - draw.random(),
        "psnr_db": max(LOWEST_DB, psnr_db),
        "ms_ssim": min(1.0, 0.9 + 0.002 * (psnr_db - 30)),
        **{"fit_seconds": fit_seconds, "encode_seconds": fit_seconds + 0.5},
        **{f"{of}_seconds": draw.uniform(0.1, 0.9) for of in ("decode", "verify")},
        "verified_at": row["recorded_at"] + timedelta(seconds=1),
        **{"attempts": 1, "restarts": 0, "device": "cpu", "n_threads": 1},
    }


def _history(row: Row) -> Iterator[Row]:
    """The reports that the fit of such a row might have made."""
    names = ("run_id", "image_digest", "archive_digest", "config_digest", "rd_lambda")
    for n in range(1, REPORTS_PER_FIT + 1):
        rest = math.exp(-5 * n / REPORTS_PER_FIT)
        yield {
            "schema_version": HISTORY_COLUMNS.version,
            **{name: row[name] for name in names},
            **{"attempt": 1, "step": 25 * n, "n_steps": 25 * REPORTS_PER_FIT},
            "estimated_bpp": row["rate_bpp"] * (1 + 2 * rest),
            "psnr_db": row["psnr_db"] - 12 * rest,
        }
