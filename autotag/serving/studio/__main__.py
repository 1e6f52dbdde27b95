"""Runs the page's server with what the page needs loaded already, so that the first visitor does not wait for it.

`autotag studio` starts it with the settings file, which may be empty, and the flags of Streamlit.
"""

import sys
from importlib import import_module
from pathlib import Path

from streamlit.web.cli import main

from autotag.serving.leaving import leave
from autotag.serving.studio import warm_up

NEEDED = (
    "pandas",
    "autotag.pipeline.discover_folders",
    "autotag.pipeline.plan",
    "autotag.pipeline.threshold_facts",
    "autotag.pipeline.thresholds_in_use",
    "autotag.review.boxed_picture",
    "autotag.review.evidence",
    "autotag.review.folder_view",
    "autotag.review.learning_figures",
    "autotag.review.source_pictures",
)
"""Not the page itself: `warm_up` loads that, for its caches want to be made by a running server."""

if __name__ == "__main__":
    for name in NEEDED:
        import_module(name)
    _, config, *flags = sys.argv
    warm_up.start(Path(config) if config else None)
    # A step of the page sets fields that have a default, which Streamlit would warn of in the terminal.
    flags += ["--global.disableWidgetStateDuplicationWarning", "true"]
    sys.argv = ["streamlit", "run", str(Path(__file__).parent / "app.py"), *flags, "--", config]
    try:
        main(prog_name="streamlit")
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else int(end.code is not None))
