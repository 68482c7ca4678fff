"""Files that were made elsewhere, on a graphics card for instance: kept there, and measured here."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.frame import timed
from benchmarks.journal import depends_on
from benchmarks.rd.results import FittedPoint
from inr import Encoded


@dataclass(frozen=True)
class Making:
    """What a file does not say of its making.

    Attributes:
        preset: The preset of its fit.
        estimated_bits: The fit's own estimate of the file.
        n_parameters: See `inr.Encoded`.
        encode_seconds: Seconds that it took; of images that were made together, an equal share.
        device: Name of the machine's part that fitted it.
    """

    preset: str
    estimated_bits: float
    n_parameters: int
    encode_seconds: float
    device: str


def keep(
    folder: Path, image: str, encoded: Encoded, *, preset: str, encode_seconds: float, device: str
) -> None:
    """Write a file, and beside it what it does not say of its making."""
    folder.mkdir(parents=True, exist_ok=True)
    making = Making(preset, encoded.estimated_rate_bits, encoded.n_parameters, encode_seconds, device)
    path = _path(folder, image, encoded.rd_lambda)
    path.write_bytes(encoded.bitstream)
    path.with_suffix(".json").write_text(json.dumps(asdict(making)) + "\n", encoding="utf-8")


def _path(folder: Path, image: str, rd_lambda: float) -> Path:
    return folder / f"{image}_{round(1e6 * rd_lambda)}.inr"


@dataclass(frozen=True)
class MadePoint:
    """A file of this codec that was made elsewhere.

    Attributes:
        image: The original.
        rd_lambda: λ of its fit.
        folder: The folder that it was kept in.
        preset: The preset that it is to be of.
    """

    image: Path
    rd_lambda: float
    folder: Path
    preset: str

    @property
    def key(self) -> str:
        """See `benchmarks.journal.Point`."""
        from benchmarks.rd.measuring import file_digest

        path = _path(self.folder, self.image.stem, self.rd_lambda)
        depends = depends_on(file_digest(path), file_digest(self.image))
        return f"{self.image.stem} λ={self.rd_lambda:g} {depends}"

    def measure(self) -> FittedPoint:
        """Decode the file and compare it with the original.

        Raises:
            ValueError: It is of another preset.
        """
        from benchmarks.rd.measuring import measures_of, read_pixels
        from inr import decode, inspect

        path = _path(self.folder, self.image.stem, self.rd_lambda)
        making = Making(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        if making.preset != self.preset:
            raise ValueError(f"{path}: expected a file of preset {self.preset}, found {making.preset}")
        data = path.read_bytes()
        decoded, seconds = timed(lambda: decode(data))
        payload = sum(part.n_bytes for part in inspect(data).sections if part.name == "payload")
        return FittedPoint(
            **measures_of(self.image, read_pixels(self.image), data, decoded.pixels),
            setting=self.rd_lambda,
            encode_seconds=making.encode_seconds,
            decode_seconds=seconds,
            estimated_bits=making.estimated_bits,
            side_bytes=len(data) - payload,
            n_parameters=making.n_parameters,
            device=making.device,
        )
