"""An image as the entropy-coded weights of a small network fitted to that one image.

Arrays in, bytes out, and back: `encode`, `decode`, `inspect`. Everything else in this package is
reached through those three. Names resolve on first use, so importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inr.bitstream import Limits, Metadata
    from inr.config import CodecConfig
    from inr.decoder import Decoded, decode
    from inr.encoder import Encoded, encode
    from inr.errors import (
        BadMagic,
        BitstreamError,
        ChecksumMismatch,
        ConfigError,
        DeadlineExceeded,
        EncodeError,
        FitDiverged,
        InrError,
        InvalidField,
        SelfCheckFailed,
        TrailingData,
        Truncated,
        UnsupportedVersion,
    )
    from inr.inspection import Inspection, inspect
    from inr.mlp.fit.trainer import Progress
    from inr.search import Attempt

__version__ = "0.1.0"

_HOME = {
    "Limits": "bitstream",
    "Metadata": "bitstream",
    "CodecConfig": "config",
    "Decoded": "decoder",
    "decode": "decoder",
    "Attempt": "search",
    "Encoded": "encoder",
    "encode": "encoder",
    "Inspection": "inspection",
    "inspect": "inspection",
    "Progress": "mlp.fit.trainer",
    "BadMagic": "errors",
    "BitstreamError": "errors",
    "ChecksumMismatch": "errors",
    "ConfigError": "errors",
    "DeadlineExceeded": "errors",
    "EncodeError": "errors",
    "FitDiverged": "errors",
    "InrError": "errors",
    "InvalidField": "errors",
    "SelfCheckFailed": "errors",
    "TrailingData": "errors",
    "Truncated": "errors",
    "UnsupportedVersion": "errors",
}

__all__ = [
    "Attempt",
    "BadMagic",
    "BitstreamError",
    "ChecksumMismatch",
    "CodecConfig",
    "ConfigError",
    "DeadlineExceeded",
    "Decoded",
    "EncodeError",
    "Encoded",
    "FitDiverged",
    "InrError",
    "Inspection",
    "InvalidField",
    "Limits",
    "Metadata",
    "Progress",
    "SelfCheckFailed",
    "TrailingData",
    "Truncated",
    "UnsupportedVersion",
    "decode",
    "encode",
    "inspect",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'inr' has no attribute {name!r}")
    return getattr(importlib.import_module(f"inr.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
