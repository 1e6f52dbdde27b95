"""Asks for the runs of folders that are due: once for every state of files, models and results; see `asked_runs`."""

from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.asked_runs import Unasked, last_run

if TYPE_CHECKING:
    from autotag.pipeline.discover_folders import FoundFolder

STATE_TAG = "autotag/folder_state"
"""Of a run that the sensor asked for: hash of the folder's files, the model id, and the results there were."""


def run_request(
    instance: dg.DagsterInstance, folder: "FoundFolder", model_id: str
) -> dg.RunRequest | Unasked:
    """The run to ask for, or why none is wanted; one that succeeded is wanted again where its results were deleted since."""
    from autotag.storage.fingerprints import fingerprint

    state = fingerprint(folder=folder.key, version=folder.version, model_id=model_id, results=folder.results)
    last = last_run(instance, STATE_TAG, state, again_after_success=not folder.results)
    if isinstance(last, Unasked):
        return last
    return dg.RunRequest(
        run_key=f"{folder.key}:{state}:{last}", partition_key=folder.key, tags={STATE_TAG: state}
    )
