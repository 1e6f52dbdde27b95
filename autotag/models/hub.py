"""Weights that a hub name stands for: on this machine already, or fetched because the name asks for them."""

import logging
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from autotag.errors import MissingWeightsError
from autotag.models.specs import ModelSpec
from autotag.models.weights import remember_location, remembered_location

LOGGER = "autotag.models.hub"
"""Says when weights are looked for elsewhere."""

REASON_CHARACTERS = 400
"""Of what the hub's client says; it may go on for a page."""

_log = logging.getLogger(LOGGER)


def local_hub_file(repository: str, file_names: Sequence[str]) -> Path | None:
    """The first of the files that Hugging Face's cache on this machine holds for the repository."""
    from huggingface_hub import try_to_load_from_cache

    for file_name in file_names:
        found = try_to_load_from_cache(repository, file_name)
        if isinstance(found, str):
            return Path(found)
    return None


def hub_weights(
    spec: ModelSpec, find_local: Callable[[], Path | None], download: Callable[[], str], fetch: bool
) -> Path:
    """The weight file of a hub name: remembered, in the hub's cache, or downloaded into it.

    Args:
        spec: whose name it is.
        find_local: looks in the hub's cache.
        download: downloads, returns the path; any OSError, RuntimeError or ValueError means the hub could not serve it.
        fetch: whether `download` may be called.

    Raises:
        MissingWeightsError: not on this machine, and not to be had or not asked for.
    """
    found = remembered_location(spec.cache_dir, spec.name) or find_local()
    if found is None:
        found = _downloaded(spec, download) if fetch else None
    if found is None:
        raise _missing(spec, "the hub's cache on this machine")
    remember_location(spec.cache_dir, spec.name, found)
    return found


def _downloaded(spec: ModelSpec, download: Callable[[], str]) -> Path:
    # A warning, so that it is seen where nobody has set up logging: the client may try for minutes and says nothing.
    _log.warning("looking for the weights of model %r on its hub, which may take minutes ...", spec.name)
    try:
        with _without_retry_lines():
            path = Path(download())
    except (OSError, RuntimeError, ValueError) as error:
        reason = _shortened(str(error).strip() or type(error).__name__)
        raise _missing(spec, f"the hub's cache on this machine, and asked the hub ({reason})") from error
    if not path.is_file():
        raise _missing(spec, str(path))
    return path


@contextmanager
def _without_retry_lines() -> Iterator[None]:
    """The hub's client warns at each of its tries; what came of them is our sentence."""
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _shortened(reason: str) -> str:
    """The first line, cut between words."""
    return textwrap.shorten(reason.splitlines()[0].rstrip("."), REASON_CHARACTERS, placeholder=" ...")


def _missing(spec: ModelSpec, looked_in: str) -> MissingWeightsError:
    return MissingWeightsError(
        f"the weight file of model {spec.name!r}",
        looked_in,
        "load it once on a machine that reaches the hub and copy the cache (HF_HOME), or download the checkpoint yourself "
        f"and write its path instead: {spec.form}:{spec.argument.partition('/')[0]}/<path to checkpoint>",
    )
