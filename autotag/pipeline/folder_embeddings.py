"""Whether the stored vectors of a folder are those of its images as they are now, by the model of the settings."""

import shlex

from autotag.domain.identity import folder_path
from autotag.errors import MissingInputError, ModelMismatchError
from autotag.pipeline.embed_target import STEP, embeddings_fingerprint
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import Stamp, StampCheck, read_stamp


def refuse_stale_embeddings(plan: PipelinePlan, key: str) -> StampCheck:
    """A check of the stamp of a folder's embeddings, to be given to whoever reads them.

    What it returns raises `ModelMismatchError` for vectors of another model, and as `embeddings_fingerprint`;
    `MissingInputError` for those of an earlier state of the folder.
    """
    path = plan.layout.folder_tables(key).embeddings
    folder = shlex.quote(folder_path(key))

    def check(stamp: Stamp | None) -> None:
        if stamp is None or stamp.model_id != plan.model_id:
            made_by = stamp.model_id if stamp else "an unknown model"
            raise ModelMismatchError(
                f"{path} is of {made_by}, the settings name {plan.model_id};"
                f" run `autotag process-target --folder {folder}` again"
            )
        if stamp.fingerprint != embeddings_fingerprint(plan, key):
            raise MissingInputError(
                f"{path} is of an earlier state of the folder; run autotag process-target --folder {folder}"
            )

    return check


def embeddings_stamp(plan: PipelinePlan, key: str) -> Stamp:
    """The stamp of a folder's embeddings, which are not stale.

    Raises:
        MissingInputError: there are none, or they are of an earlier state of the folder.
        ModelMismatchError: they are of another model.
    """
    path = plan.layout.folder_tables(key).embeddings
    if not path.exists():
        raise MissingInputError(f"{path} is not there; materialise target_embeddings of {key} first")
    stamp = read_stamp(path)
    refuse_stale_embeddings(plan, key)(stamp)
    return stamp or Stamp(STEP)
