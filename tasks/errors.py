"""Everything that can go wrong around the codec, by name. Every class here is an `InrError`.

InrError
├── SourceError            an original cannot be read, or changed after it was planned
│   └── UnsuitableFile     it is no file, a link to nothing, or has too many bytes; by its own fault
├── UnsupportedImage       these bytes are not a picture this archive takes; by their own fault
│   ├── TooManyPixels      or one with more pixels than the settings allow; by its own fault
│   └── MemoryTooSmall     or one that does not fit into the memory of this host
├── RunCancelled           the run was stopped while this image was being fitted
├── FittedElsewhere        another run fits this image; it is looked at again when that has ended
├── StorageError           the store refused, and would refuse again
│   ├── ObjectMissing      there is no object under this key
│   ├── ObjectTooLarge     the object has more bytes than are taken
│   └── StorageUnavailable the store may answer the next time; the only one that is retried
│       └── ChecksumFailed of one object, time and again, other bytes come than were stored, or none
├── CatalogueError         a part of the catalogue is damaged, or newer than this program
├── BatchLost              a batch of a run ended without saying what became of its images
├── ServerNotStarted       Prefect's embedded server does not start
├── BudgetTooSmall         the time of an image is too short for any fit that makes sense
├── VerificationMismatch   what is stored is not what was encoded; never retried
└── ImagesFailed           the run is over, and some images, or days of the catalogue, failed

Only errors of this tree become rows by their own name and message; each message stands alone. What failed by
its own fault would fail again: it is left alone until it, or this program, changes.
"""

from typing import Protocol

from inr.errors import EncodeError, InrError

__all__ = [
    "BatchLost",
    "BudgetTooSmall",
    "CatalogueError",
    "ChecksumFailed",
    "FittedElsewhere",
    "ImagesFailed",
    "InrError",
    "MemoryTooSmall",
    "ObjectMissing",
    "ObjectTooLarge",
    "RunCancelled",
    "ServerNotStarted",
    "SourceError",
    "StorageError",
    "StorageUnavailable",
    "Summary",
    "TooManyPixels",
    "UnsuitableFile",
    "UnsupportedImage",
    "VerificationMismatch",
]


class SourceError(InrError):
    """An original cannot be read, is not a regular file, or changed since it was planned."""


class UnsuitableFile(SourceError):
    """What is listed is no regular file, a link that leads nowhere, or a file of too many bytes."""


class UnsupportedImage(InrError):
    """Bytes that are not a picture this archive takes; the message names the reason."""


class TooManyPixels(UnsupportedImage):
    """A picture with more pixels than the settings allow."""


class MemoryTooSmall(UnsupportedImage):
    """A picture that does not fit into the memory of this host."""


class RunCancelled(InrError):
    """The run was stopped while this image was being fitted."""


class FittedElsewhere(InrError):
    """Another run fits this image now."""


class StorageError(InrError):
    """The store refused an operation and would refuse it again."""


class ObjectMissing(StorageError):
    """There is no object under this key."""


class ObjectTooLarge(StorageError):
    """The object has more bytes than are taken."""


class StorageUnavailable(StorageError):
    """The store did not answer properly but may the next time."""


class ChecksumFailed(StorageUnavailable):
    """A store that works sent bytes that do not have their checksum, or its disk cannot read them."""


class CatalogueError(InrError):
    """A part of the catalogue is damaged, or was written by a newer program."""


class BatchLost(InrError):
    """The run of a batch ended without saying what became of its images."""


class BudgetTooSmall(EncodeError):
    """The time that an image has is too short for any fit that makes sense."""


class ServerNotStarted(InrError):
    """Prefect's embedded server does not start, or the one that is named does not answer; says why."""


class VerificationMismatch(InrError):
    """The stored file is not what was encoded."""


class Summary(Protocol):
    """The totals of a run so far, whatever the flow."""

    @property
    def n_planned(self) -> int:
        """Items of the run: images, or days of the catalogue."""

    @property
    def n_done(self) -> int:
        """Items that are over."""

    @property
    def n_failed(self) -> int:
        """Items that failed."""

    @property
    def n_bad(self) -> int:
        """Those of them that failed by their own fault: originals that are no pictures for this archive."""

    def headline(self) -> str:
        """One line for people that says how the run went."""


class ImagesFailed(InrError):
    """A run ended, and some of its images or days failed; `summary` has them."""

    def __init__(self, message: str, summary: Summary) -> None:
        """Keep the summary beside the message."""
        super().__init__(message, summary)
        self.summary = summary

    def __str__(self) -> str:
        return str(self.args[0])
