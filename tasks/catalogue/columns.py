"""The columns of the catalogue's tables, as CATALOGUE.md promises them. Without Arrow."""

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]  # column → value, as Parquet has it


@dataclass(frozen=True)
class TableColumns:
    """A table.

    Attributes:
        version: Version of its columns; rises when some are added.
        columns: Name, type as CATALOGUE.md has it, and whether it may be null.
    """

    version: int
    columns: tuple[tuple[str, str, bool], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(name for name, _, _ in self.columns)


IMAGES_COLUMNS = TableColumns(
    3,
    (
        ("schema_version", "int16", False),
        ("run_id", "string", False),
        ("recorded_at", "timestamp[us, UTC]", False),
        ("status", "string", False),
        ("error_type", "string", True),
        ("error_message", "string", True),
        ("image_digest", "string", True),
        ("archive_digest", "string", False),
        ("config_digest", "string", False),
        ("config_json", "string", False),
        ("key", "string", True),
        ("bitstream_digest", "string", True),
        ("symbols_digest", "string", True),
        ("pixels_digest", "string", True),
        ("source_uri", "string", False),
        ("source_path", "string", False),
        ("also_at", "list<string>", False),
        ("source_n_bytes", "int64", True),
        ("source_format", "string", True),
        ("source_mode", "string", True),
        ("width", "int32", True),
        ("height", "int32", True),
        ("channels", "int8", True),
        ("icc_n_bytes", "int64", True),
        ("exif_n_bytes", "int64", True),
        ("notes", "list<string>", False),
        ("model", "string", False),
        ("preset", "string", False),
        ("goal", "string", False),
        ("goal_value", "double", False),
        ("seed", "int64", False),
        ("rd_lambda", "double", True),
        ("n_parameters", "int64", True),
        ("n_bytes", "int64", True),
        ("rate_bpp", "double", True),
        ("estimated_rate_bits", "double", True),
        ("psnr_db", "double", True),
        ("ms_ssim", "double", True),
        ("attempts", "int32", True),
        ("restarts", "int32", True),
        ("fit_seconds", "double", True),
        ("encode_seconds", "double", True),
        ("decode_seconds", "double", True),
        ("verify_seconds", "double", True),
        ("verified_at", "timestamp[us, UTC]", True),
        ("device", "string", True),
        ("n_threads", "int32", True),
        ("format_version", "int32", False),
        ("encoder_version", "string", False),
        ("torch_version", "string", False),
        ("python_version", "string", False),
        ("machine", "string", False),
        ("min_psnr_db", "double", True),
        ("refits", "int32", True),
        ("n_steps", "int32", True),
        ("budget_seconds", "double", True),
    ),
)

HISTORY_COLUMNS = TableColumns(
    1,
    (
        ("schema_version", "int16", False),
        ("run_id", "string", False),
        ("image_digest", "string", False),
        ("archive_digest", "string", False),
        ("config_digest", "string", False),
        ("attempt", "int32", False),
        ("step", "int32", False),
        ("n_steps", "int32", False),
        ("rd_lambda", "double", False),
        ("estimated_bpp", "double", False),
        ("psnr_db", "double", False),
    ),
)

AUDITS_COLUMNS = TableColumns(
    1,
    (
        ("schema_version", "int16", False),
        ("run_id", "string", False),
        ("checked_at", "timestamp[us, UTC]", False),
        ("key", "string", False),
        ("image_digest", "string", True),
        ("archive_digest", "string", True),
        ("status", "string", False),
        ("error_type", "string", True),
        ("error_message", "string", True),
        ("n_bytes", "int64", True),
        ("decode_seconds", "double", True),
    ),
)
