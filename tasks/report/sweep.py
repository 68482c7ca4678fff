"""The RD curve of a collection: the settings to compare, the sample of images, and the points.

The sample is the same in every run, and a larger one contains a smaller one: files come in the order
of the digests of their paths. Points compare like with like: they are taken over the images that
every setting has archived as a bitstream.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from inr import CodecConfig
from inr.config import MODELS
from inr.errors import ConfigError
from tasks.catalogue import lookup
from tasks.catalogue.columns import Row
from tasks.catalogue.parts import read_images
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import LOSSLESS, Status
from tasks.catalogue.rows import required
from tasks.errors import SourceError, UnsupportedImage
from tasks.originals.listing import SourceFile, SourceImage, list_source
from tasks.originals.opening import read_header
from tasks.report.markdown import markdown_cell, markdown_table
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions
from tasks.store.objects import ObjectStore, put_anew
from tasks.wording import counted

DEFAULT_SAMPLE = 20
COLUMNS = ("model", "λ", "bpp", "PSNR, dB", "MS-SSIM", "bytes", "encode, s", "decode, s")


@dataclass(frozen=True)
class RdPoint:
    """The means over the images of a sample under one setting.

    Attributes:
        model: Model family.
        preset: Preset.
        rd_lambda: λ.
        n_images: Images that the means are taken over.
        n_bytes: Size of all their files.
        rate_bpp: 8 · `n_bytes` over all their pixels.
        psnr_db: Mean of their finite PSNR, in dB; infinite if there is none.
        ms_ssim: Mean over those that are large enough; None if none is.
        encode_seconds: Mean time in the encoder.
        decode_seconds: Mean time to decode.
    """

    model: str
    preset: str
    rd_lambda: float
    n_images: int
    n_bytes: int
    rate_bpp: float
    psnr_db: float
    ms_ssim: float | None
    encode_seconds: float
    decode_seconds: float


@dataclass(frozen=True)
class SweepReport:
    """The result of a run of ``sweep``.

    Attributes:
        summary: Totals of the images that it archived.
        n_sampled: Images of the sample.
        points: The points, sorted by model and by rate.
    """

    summary: RunSummary
    n_sampled: int
    points: tuple[RdPoint, ...]

    @property
    def n_planned(self) -> int:
        """Fits that the run had to make."""
        return self.summary.n_planned

    @property
    def n_done(self) -> int:
        """Fits that are over."""
        return self.summary.n_done

    @property
    def n_failed(self) -> int:
        """Rows that failed."""
        return self.summary.n_failed

    @property
    def n_bad(self) -> int:
        """Those of them that failed by their own fault."""
        return self.summary.n_bad

    def headline(self) -> str:
        """One line: what came of the run."""
        if self.points:
            n_images = f"{self.points[0].n_images} of {counted(self.n_sampled, 'image')}"
            settings = f"{counted(len(self.points), 'setting')} compared on {n_images}"
        else:
            settings = f"of {counted(self.n_sampled, 'image')}, none has a bitstream under every setting"
        return settings + (f", {counted(self.n_failed, 'fit')} failed" if self.n_failed else "")

    def as_values(self) -> dict[str, Any]:
        """The report for machines, as JSON has it."""
        counts = ("n_planned", "n_before", "n_archived", "n_failed")
        names = ("run_id", "source", "store", *counts, "wall_seconds")
        points = [
            {**asdict(point), "psnr_db": None if math.isinf(point.psnr_db) else point.psnr_db}
            for point in self.points
        ]
        totals = {name: getattr(self.summary, name) for name in names}
        return {**totals, "n_sampled": self.n_sampled, "points": points}


def configs_of(models: Sequence[str] | None, preset: str, rd_lambdas: Sequence[float]) -> list[CodecConfig]:
    """The settings to compare: each model at each λ; every model there is if none is named.

    Raises:
        ConfigError: A value is out of its range, or there is no λ.
    """
    if not rd_lambdas:
        raise ConfigError("rd_lambda: expected one or more, found none")
    return [
        CodecConfig(model=model, preset=preset, rd_lambda=rd_lambda)
        for model in dict.fromkeys(models or MODELS)
        for rd_lambda in sorted(set(rd_lambdas), reverse=True)
    ]


def sample_images(source: str, n_images: int, options: RunOptions) -> list[SourceImage]:
    """Images of a source to try settings on: those that can be archived, by their headers; each content once.

    Raises:
        ConfigError: The source cannot be listed, or has none.
    """
    found: dict[str, SourceImage] = {}
    for image in _usable(list_source(source).files, options):
        found.setdefault(image.digest, image)
        if len(found) == n_images:
            break
    if not found:
        raise ConfigError(f"source {source}: expected an image that can be archived, found none")
    return list(found.values())


def _usable(files: Sequence[SourceFile], options: RunOptions) -> Iterator[SourceImage]:
    for file in sorted(files, key=lambda file: hashlib.sha256(file.path.encode()).digest()):
        try:
            header = read_header(file.uri, options)
        except SourceError:
            continue
        if not isinstance(header.size, UnsupportedImage):
            yield SourceImage(header.digest, file.uri, file.path, header.n_bytes)


def rd_points(
    store: ObjectStore, images: Sequence[SourceImage], configs: Sequence[CodecConfig]
) -> tuple[RdPoint, ...]:
    """The point of each setting, over the images of which every one has a bitstream; none if there is none.

    Raises:
        CatalogueError, StorageError: The store's catalogue cannot be read.
    """
    rows = _archived_rows(store, {image.digest for image in images})
    by_config = {config: rows.get(Recipe(config).archive_digest(), {}) for config in configs}
    common = set.intersection(*(set(found) for found in by_config.values()))
    if not common:
        return ()
    points = [rd_point([found[digest] for digest in common]) for found in by_config.values()]
    return tuple(sorted(points, key=lambda point: (MODELS.index(point.model), point.rate_bpp)))


def _archived_rows(store: ObjectStore, digests: set[str]) -> dict[str, dict[str, Row]]:
    """Archive digest → image digest → row of a bitstream."""
    found: dict[str, dict[str, Row]] = {}
    for row in lookup.latest(read_images(store).to_pylist(), lookup.last_audits(store)):
        is_bitstream = row["status"] == Status.ARCHIVED and row["model"] != LOSSLESS
        if is_bitstream and row["image_digest"] in digests:
            found.setdefault(row["archive_digest"], {})[row["image_digest"]] = row
    return found


def rd_point(rows: Sequence[Row]) -> RdPoint:
    """The point of rows of ``images`` that have one model, preset and λ."""
    n_bytes = sum(row["n_bytes"] for row in rows)
    finite = [row["psnr_db"] for row in rows if math.isfinite(row["psnr_db"])]
    similar = [row["ms_ssim"] for row in rows if row["ms_ssim"] is not None]
    return RdPoint(
        model=rows[0]["model"],
        preset=rows[0]["preset"],
        rd_lambda=rows[0]["goal_value"],
        n_images=len(rows),
        n_bytes=n_bytes,
        rate_bpp=8 * n_bytes / sum(row["width"] * row["height"] for row in rows),
        psnr_db=fmean(finite) if finite else math.inf,
        ms_ssim=fmean(similar) if similar else None,
        encode_seconds=fmean(required(row, "encode_seconds") for row in rows),
        decode_seconds=fmean(required(row, "decode_seconds") for row in rows),
    )


def point_cells(point: RdPoint) -> tuple[str, ...]:
    """A point for people: the cells of `COLUMNS`."""
    return (
        point.model,
        f"{point.rd_lambda:.4g}",
        f"{point.rate_bpp:.4f}",
        f"{point.psnr_db:.2f}",
        "" if point.ms_ssim is None else f"{point.ms_ssim:.4f}",
        str(point.n_bytes),
        f"{point.encode_seconds:.1f}",
        f"{point.decode_seconds:.2f}",
    )


def sweep_markdown(report: SweepReport) -> str:
    """The report as the Prefect artifact and the store show it."""
    summary = report.summary
    lines = [
        f"# RD: {report.headline()}",
        "",
        f"- source: {markdown_cell(summary.source)}",
        f"- store: {markdown_cell(summary.store)}",
        f"- settings: {summary.config}",
        f"- run: `{summary.run_id}`, {summary.wall_seconds:.1f} s; {summary.headline()}",
    ]
    if report.points:
        lines += ["", *markdown_table(COLUMNS, [point_cells(point) for point in report.points])]
    return "\n".join(lines) + "\n"


def store_sweep(store: ObjectStore, report: SweepReport) -> None:
    """Write the report into the store, as Markdown and as JSON."""
    name = f"reports/{report.summary.run_id}"
    put_anew(store, f"{name}.md", sweep_markdown(report).encode())
    put_anew(store, f"{name}.json", json.dumps(report.as_values(), indent=1).encode())
