"""What the vectors of a folder, and all that was made from them, have to be made from now."""

from autotag.domain.identity import detector_of
from autotag.errors import MissingInputError, ModelMismatchError
from autotag.storage.fingerprints import fingerprint
from autotag.storage.folder_tables import FolderTables
from autotag.storage.tables import read_stamp


def folder_state(tables: FolderTables, model_id: str, key: str) -> str:
    """Changes with the folder's images, their regions and the model; tables of another one are of an earlier state.

    Args:
        tables: of the folder.
        model_id: of the vectors.
        key: of the folder, for messages.

    Raises:
        MissingInputError: the folder has no regions, or they are of an earlier state of the folder.
        ModelMismatchError: the regions are another detector's.
    """
    regions, manifest = read_stamp(tables.regions), read_stamp(tables.images)
    if regions is None or manifest is None:
        raise MissingInputError(f"{tables.regions} is not there; materialise target_crops of {key} first")
    if detector_of(regions.model_id) != detector_of(model_id):
        raise ModelMismatchError(
            f"{tables.regions} was made by {detector_of(regions.model_id)}, but the settings name"
            f" {detector_of(model_id)}; materialise target_crops of {key} again"
        )
    if regions.extra.get("images") != manifest.fingerprint:
        raise MissingInputError(
            f"{tables.regions} is of an earlier state of the folder; materialise target_crops of {key} again"
        )
    return fingerprint(regions=regions.fingerprint, model=model_id)
