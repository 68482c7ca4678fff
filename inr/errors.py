"""The error tree. Every failure this package can name is one of these.

    InrError
    ├── ConfigError            the caller's: an argument or setting out of range
    ├── EncodeError            ours: this image could not be encoded
    │   ├── FitDiverged        NaN, after another seed too; never raised, since a flat file stands in
    │   ├── DeadlineExceeded   the caller's time ran out (the progress callback returns it)
    │   ├── ContractMissed     no fit reached the least PSNR that was asked for (in search.py)
    │   └── SelfCheckFailed    the bitstream just written did not decode to what was fitted
    └── BitstreamError         the data's: these bytes are not a bitstream this version reads
        ├── BadMagic           not an .inr file at all
        ├── UnsupportedVersion a format version this decoder does not know
        ├── Truncated          fewer bytes than the file says it has
        ├── TrailingData       more bytes than the file says it has
        ├── InvalidField       a field outside its range, or a limit exceeded
        │   └── TooMuchWork    a network that takes more work than a file of that size may
        └── ChecksumMismatch   the CRC-32 disagrees with the bytes

A message says what, where, what was expected and what was found.
"""


class InrError(Exception):
    """Root of every error raised by name in this project."""


class ConfigError(InrError, ValueError):
    """An argument or setting is out of its range."""


class EncodeError(InrError):
    """An image could not be encoded."""


class FitDiverged(EncodeError):
    """The fit ended in NaN, begun again with another seed after a collapse; the reason of a flat file."""


class DeadlineExceeded(EncodeError):
    """The caller's time ran out during a fit."""


class CardTooSmall(EncodeError):
    """A graphics card has no room for the fit of an image."""


class SelfCheckFailed(EncodeError):
    """A bitstream just written does not decode to the symbols and pixels it was made from."""


class BitstreamError(InrError):
    """Bytes that are not a bitstream this decoder reads."""


class BadMagic(BitstreamError):
    """The first bytes are not those of an ``.inr`` file."""


class UnsupportedVersion(BitstreamError):
    """A format version that this decoder does not know."""


class Truncated(BitstreamError):
    """The bytes end before the file does."""


class TrailingData(BitstreamError):
    """Bytes follow the end of the file."""


class InvalidField(BitstreamError):
    """A field lies outside of its range, or exceeds a limit."""


class TooMuchWork(InvalidField):
    """A network takes more work than its reader allows a file of that size."""


class ChecksumMismatch(BitstreamError):
    """The CRC-32 does not match the bytes."""
