"""What the first page would otherwise wait for, done beside the server as soon as it runs.

A page that is asked for in the meantime waits for what is being read, and reads nothing twice.
"""

import threading
import time
from importlib import import_module
from pathlib import Path

from streamlit import runtime

from autotag.errors import AutotagError

MODULES = (
    "streamlit.emojis",
    "streamlit.material_icon_names",
    "autotag.serving.studio.page",
)
"""The page's own among them: its caches want to be made by a running server."""

SERVER_WAIT_S = 60.0
LOOK_S = 0.02


def start(config: Path | None) -> None:
    """Begin, in a thread that ends with the process.

    Args:
        config: settings file that the page is started with.
    """
    threading.Thread(target=_wait_and_warm, args=(config,), name="warm-up", daemon=True).start()


def _wait_and_warm(config: Path | None) -> None:
    until = time.monotonic() + SERVER_WAIT_S
    while not runtime.exists():
        if time.monotonic() > until:
            return
        time.sleep(LOOK_S)
    for name in MODULES:
        import_module(name)
    try:
        warm(config)
    except AutotagError:
        # The page meets the same error, and says it to whoever can do something about it.
        return


def warm(config: Path | None) -> None:
    """Read the folder that the page begins with, its decisions and its queue, into the page's caches.

    Raises:
        AutotagError: whatever keeps the page from showing the folder.
    """
    from autotag.review.review_queue import Minimum, Wanted
    from autotag.serving.studio.beginning import first_minimums, opening_folder
    from autotag.serving.studio.workbench import Workbench
    from autotag.settings import Settings

    bench = Workbench.of(Settings.load(config))
    if key := opening_folder(bench):
        view = bench.view(key)
        minimum = Minimum(first_minimums(bench, key), {})
        live = bench.live(view)
        bench.facts(view, live, minimum)
        bench.cards(view, live, Wanted(), minimum)
