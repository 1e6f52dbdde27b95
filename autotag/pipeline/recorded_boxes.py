"""Boxes that an earlier pass recorded, for another embedder: whether they fit, what they are, and when they change."""

from dataclasses import asdict, dataclass

from autotag.domain.identity import detector_of
from autotag.domain.regions import Region
from autotag.errors import MissingInputError, ModelMismatchError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.region_rows import REGION_COLUMNS, regions_by_image
from autotag.storage.fingerprints import fingerprint
from autotag.storage.tables import Stamp, read_stamp, read_table


def embeddings_fingerprint(plan: PipelinePlan, pixels: str, model: str, boxes: str = "") -> str:
    """What the embeddings of a shard are made from.

    Args:
        plan: the rules.
        pixels: fingerprint of the tar.
        model: model id.
        boxes: fingerprint of the recorded boxes; empty where they are detected.
    """
    recorded = {"boxes": boxes} if boxes else {}
    return fingerprint(pixels=pixels, model=model, rules=asdict(plan.rules), **recorded)


@dataclass(frozen=True, slots=True)
class RecordedBoxes:
    """The boxes of one shard as another pass found them.

    Attributes:
        plan: paths, models, rules.
        model: model id of that pass.
        shard: its name.
    """

    plan: PipelinePlan
    model: str
    shard: str

    def fingerprint(self, pixels: str) -> str:
        """Changes when they are recorded again in another way; `pixels` is the fingerprint of the tar.

        Raises:
            MissingInputError: they are not there, or of another state of the tar, or of other rules.
            ModelMismatchError: they are another detector's.
        """
        if detector_of(self.model) != detector_of(self.plan.model_id):
            raise ModelMismatchError(
                f"recorded boxes are of {self.model}, but the settings name the detector"
                f" {detector_of(self.plan.model_id)}; name that detector under [models] or detect again"
            )
        path = self.plan.layout.source(self.model).embeddings(self.shard)
        stamp = read_stamp(path)
        if stamp is None:
            raise MissingInputError(f"{path} is not there; materialise {self._made_by} first")
        if not is_made_from(stamp, self.plan, pixels, self.model):
            raise MissingInputError(
                f"{path}: these boxes are of another state of {self.shard}.tar, or of other [regions] rules;"
                f" materialise {self._made_by} again, or detect anew"
            )
        found = {name: stamp.extra["counts"][name] for name in ("made", "regions")}
        return fingerprint(model=self.model, made_from=stamp.fingerprint, found=found)

    def read(self) -> dict[str, list[Region]]:
        """Regions by media id.

        Raises:
            MissingInputError: they are not there.
        """
        path = self.plan.layout.source(self.model).embeddings(self.shard)
        rows = read_table(path, ["media_id", *REGION_COLUMNS], made_by=self._made_by)
        return regions_by_image(rows, "media_id")

    @property
    def _made_by(self) -> str:
        return f"source_embeddings of {self.shard} with {self.model}"


def is_made_from(stamp: Stamp, plan: PipelinePlan, pixels: str, model: str) -> bool:
    """Whether a table is of these pixels, this model and the plan's rules, its boxes detected or recorded."""
    return stamp.fingerprint == embeddings_fingerprint(plan, pixels, model, stamp.extra.get("boxes", ""))
