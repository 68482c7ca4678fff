"""A small archive for tests of its report: real bitstreams without a fit, and rows without any."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
from PIL import Image

import inr
from inr import CodecConfig
from inr.metrics import psnr_db
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Archived, Failed, Planned, now
from tasks.originals.listing import SourceImage
from tasks.originals.names import printable
from tasks.steps.commit import append
from tasks.store.objects import ObjectStore
from tests.tasks.pictures import file_of
from tests.tasks.rows import archived_from, changed

VECTORS = Path(__file__).parents[3] / "vectors"
HOSTILE = '<script>document.title = "owned"<'  # and a slash, and the end of the element
LAMBDAS = (0.025, 0.01, 0.004)


def real_record(store: ObjectStore, original: Path, vector: str = "rgb.inr") -> Archived:
    """Store a golden bitstream, and write an original beside which it is a poor reconstruction."""
    bitstream = (VECTORS / vector).read_bytes()
    decoded = inr.decode(bitstream)
    noise = np.random.default_rng(len(original.name)).integers(-60, 60, decoded.pixels.shape)
    pixels = np.clip(decoded.pixels.astype(int) + noise, 0, 255).astype(np.uint8)
    original.parent.mkdir(parents=True, exist_ok=True)
    data = file_of(Image.fromarray(pixels.squeeze(axis=2) if pixels.shape[2] == 1 else pixels))
    original.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    path = printable(str(original.relative_to(original.parents[1])))
    recipe = Recipe(CodecConfig(model="mlp", preset="draft", rd_lambda=0.01))
    planned = Planned.of("run", recipe, SourceImage(digest, original.as_uri(), path, len(data)))
    record = archived_from(
        planned,
        bitstream,
        symbols_digest=decoded.symbols_digest,
        pixels_digest=decoded.pixels_digest,
        height=pixels.shape[0],
        width=pixels.shape[1],
        channels=pixels.shape[2],
        rd_lambda=0.01,
        rate_bpp=8 * len(bitstream) / (pixels.shape[0] * pixels.shape[1]),
        psnr_db=psnr_db(reference=pixels, decoded=decoded.pixels),
        decode_seconds=0.1,
    )
    store.put(record.stored.file.key, bitstream)
    return record


def sweep_records(n_images: int = 4) -> Iterator[Archived]:
    """Images under two models and three λ; `cnn` takes 30 % fewer bits for the same PSNR."""
    for n in range(n_images):
        name = f"image-{n}.png"
        image = SourceImage(hashlib.sha256(name.encode()).hexdigest(), f"file:///gone/{name}", name, 100_000)
        for model, factor in (("mlp", 1.0), ("cnn", 0.7)):
            for position, rd_lambda in enumerate(LAMBDAS):
                recipe = Recipe(CodecConfig(model=model, preset="draft", rd_lambda=rd_lambda))
                n_bytes = round(1000 * factor * 2**position * (1 + n / 10))
                yield archived_from(
                    Planned.of("sweep", recipe, image),
                    recorded_at=now() + timedelta(seconds=position),
                    width=160,
                    height=100,
                    rd_lambda=rd_lambda,
                    n_bytes=n_bytes,
                    rate_bpp=8 * n_bytes / 16_000,
                    psnr_db=30.0 + 2 * position + n / 10,
                    fit_seconds=36.0,
                    encode_seconds=40.0,
                    decode_seconds=0.25,
                )


def fill(store: ObjectStore, folder: Path) -> list[Archived]:
    """Rows of every kind, names that no page should believe, and three images that can be shown."""
    records = [
        real_record(store, folder / "plain" / "rgb.png"),
        real_record(store, folder / HOSTILE / "script>.png", "cnn_rgb_alpha.inr"),
        real_record(store, folder / "plain" / 'a new\nline "and" {{ quotes }}.png', "grey.inr"),
        *sweep_records(),
    ]
    hostile = "</table><img src=x onerror=alert(1)>.jpg"
    broken = changed(records[0], image_digest="f" * 64, source_path=hostile)
    failure = Failed.of(broken.stored, ValueError("</script><script>alert(2)</script>"))
    append(store, [*records, failure])
    return records
