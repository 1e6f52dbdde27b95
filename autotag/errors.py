"""Every exception autotag raises on purpose.

AutotagError
├── PermanentError              a retry cannot help; the message says what would
│   ├── SettingsError           a wrong key, type or value in autotag.toml or the environment
│   ├── UsageError              a wrong argument on the command line
│   ├── MissingInputError       an upstream partition, folder or file is not there
│   ├── MissingWeightsError     a model's weight file is not there
│   ├── BadShardError           a tar that cannot be read
│   ├── BadTagsError            a tags table that cannot be used
│   ├── ModelMismatchError      tables or an index of another model id
│   ├── CorruptIndexError       an index file that is not the one that was released
│   ├── UnwritableRootError     a data root that refuses writes
│   ├── BadLabelsError          a label list that cannot be used
│   ├── BadSheetError           a review sheet that cannot be imported
│   ├── BadLedgerError          a database that is no tag ledger, or a damaged one
│   ├── SidecarError            a sidecar that may not be written, or ExifTool is missing or too old
│   └── CountsDoNotCloseError   in != out + rejected + duplicates: a bug, never data
├── RetryableError              the same call may succeed later
│   ├── InUseError              another process works on the same folder, shard or index
│   │   └── TagsChangedError    somebody said something of the same images since they were looked at
│   ├── CatalogUnavailableError the catalog's store does not answer
│   ├── OverloadedError         too many requests wait for a model
│   └── WorkerLostError         a worker process died more often than allowed
└── RejectedImageError          one image that cannot be used: becomes a row in rejects, never leaves the pipeline
    └── UnknownKindError        it is no image of a kind that is read
"""


class AutotagError(Exception):
    """Root of the tree."""


class PermanentError(AutotagError):
    """A retry cannot help."""


class SettingsError(PermanentError):
    """A wrong key, type or value in the settings file or the environment."""


class UsageError(PermanentError):
    """A wrong argument on the command line."""


class MissingInputError(PermanentError):
    """Something that should have been made, or given, before is not there."""


class MissingWeightsError(PermanentError):
    """A model's weight file is not there."""

    def __init__(self, what: str, looked_in: str, remedy: str) -> None:
        """`what` is the file or model, `looked_in` where it was looked for, `remedy` how to get it."""
        super().__init__(f"{what} is missing: looked for it in {looked_in}; {remedy}.")
        self._parts = (what, looked_in, remedy)

    def __reduce__(self) -> tuple[type["MissingWeightsError"], tuple[str, str, str]]:
        """Errors travel from workers: pickle rebuilds from the parts, not from the sentence."""
        return type(self), self._parts


class BadShardError(PermanentError):
    """A tar that cannot be read."""


class BadTagsError(PermanentError):
    """A tags table that cannot be used."""


class ModelMismatchError(PermanentError):
    """Tables or an index that another model made."""


class CorruptIndexError(PermanentError):
    """An index file that is not the one that was released."""


class UnwritableRootError(PermanentError):
    """A data root that refuses writes."""


class BadLabelsError(PermanentError):
    """A label list that cannot be used."""


class BadSheetError(PermanentError):
    """A review sheet that cannot be imported."""


class BadLedgerError(PermanentError):
    """A database that is no tag ledger, a damaged one, or one of a later release."""


class SidecarError(PermanentError):
    """A sidecar that may not be written, or ExifTool is missing or too old."""


class CountsDoNotCloseError(PermanentError):
    """Items went missing inside a step. Always a bug."""


class RetryableError(AutotagError):
    """The same call may succeed later."""


class InUseError(RetryableError):
    """Another process works on the same folder, shard or index."""


class TagsChangedError(InUseError):
    """Somebody said something of the same images since they were looked at."""


class CatalogUnavailableError(RetryableError):
    """The store behind the catalog does not answer, or answered that it cannot now."""


class OverloadedError(RetryableError):
    """Too many requests wait for a model, or it is being shut down.

    Attributes:
        retry_after_s: when it is worth asking again, in seconds.
    """

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[type["OverloadedError"], tuple[str, float]]:
        """Errors travel from workers: pickle rebuilds from the parts, not from the sentence."""
        return type(self), (str(self), self.retry_after_s)


class WorkerLostError(RetryableError):
    """A worker process died more often than allowed."""


class RejectedImageError(AutotagError):
    """One image that cannot be used.

    Attributes:
        stage: where it failed: read, decode, detect, embed, ...
        reason: a short sentence for a person.
    """

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reason = reason

    def __reduce__(self) -> tuple[type["RejectedImageError"], tuple[str, str]]:
        """Errors travel from workers: pickle rebuilds from the parts, not from the sentence."""
        return type(self), (self.stage, self.reason)


class UnknownKindError(RejectedImageError):
    """What was taken for an image is none of a kind that is read."""
