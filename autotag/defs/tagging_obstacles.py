"""Why no folder can be tagged now. A run that failed for it would not be asked for again when it is mended."""

from typing import TYPE_CHECKING

from autotag.errors import AutotagError
from autotag.settings import Settings

if TYPE_CHECKING:
    from autotag.pipeline.plan import PipelinePlan


def plan_or_obstacle(settings: Settings) -> "tuple[PipelinePlan | None, str]":
    """The plan of the settings, or why its models cannot be named."""
    from autotag.pipeline.plan import plan_of

    try:
        return plan_of(settings), ""
    except AutotagError as error:
        return None, str(error)


def vote_obstacle(plan: "PipelinePlan", settings: Settings) -> str:
    """Empty where an index is released, and thresholds are fitted if they are asked for."""
    from autotag.pipeline.thresholds_in_use import refuse_unfitted
    from autotag.storage.releases import current_version

    try:
        if not current_version(plan.layout.reference, plan.model_id):
            return f"there is no reference index of {plan.model_id} yet: materialise faiss_index"
        refuse_unfitted(plan, settings)
    except AutotagError as error:
        return str(error)
    return ""
