"""The user's label list, read."""

from pathlib import Path

from autotag.domain.labels import LabelList, parse_labels
from autotag.errors import BadLabelsError
from autotag.settings import Settings
from autotag.settings.sections import Labels


def label_file(settings: Settings) -> Path:
    """Where the settings say that the labels are, absolute."""
    return settings.base / Path(settings.labels.file).expanduser()


def is_without_labels(settings: Settings) -> bool:
    """Whether nobody asked for labels: the settings name no list of their own, and none lies where one is looked for."""
    return settings.labels.file == Labels().file and not label_file(settings).exists()


def read_labels(path: Path) -> LabelList:
    """Read a label list; see `parse_labels`.

    Raises:
        BadLabelsError: not there, not readable, or its content is no label list; names the file, and the line.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise BadLabelsError(
            f"{path} is not there; write your labels into it, one a line, or name another file under [labels] file"
        ) from error
    except OSError as error:
        raise BadLabelsError(
            f"{path} cannot be read ({error.strerror or error}); name a text file with one label a line under [labels]"
            " file"
        ) from error
    return parse_labels(data, str(path))
