"""Catalogue records for tests that need rows but no image behind them."""

import dataclasses
import hashlib
from typing import Any

from inr.config import CodecConfig
from tasks.catalogue.records import (
    ARCHIVED,
    BITSTREAM_SUFFIX,
    CatalogueRecord,
    archive_digest,
    now,
    object_key,
    planned_record,
)
from tasks.originals.listing import SourceImage

CONFIG = CodecConfig(model="mlp", preset="draft")
ARCHIVE = archive_digest(CONFIG)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def source_image(name: str = "a.png") -> SourceImage:
    return SourceImage(digest(name), f"file:///photos/{name}", name, 1000)


def planned(name: str = "a.png", run_id: str = "run") -> CatalogueRecord:
    return planned_record(run_id, CONFIG, source_image(name))


def archived(name: str = "a.png", bitstream: bytes = b"bitstream", **changes: Any) -> CatalogueRecord:
    record = dataclasses.replace(
        planned(name),
        status=ARCHIVED,
        key=object_key(digest(name), ARCHIVE, BITSTREAM_SUFFIX),
        bitstream_digest=hashlib.sha256(bitstream).hexdigest(),
        n_bytes=len(bitstream),
        width=16,
        height=12,
        channels=3,
        rd_lambda=0.002,
        rate_bpp=0.375,
        psnr_db=31.25,
        fit_seconds=1.0,
        encode_seconds=1.5,
        verify_seconds=0.5,
        verified_at=now(),
        notes=("converted from P to RGB",),
    )
    return dataclasses.replace(record, **changes)
