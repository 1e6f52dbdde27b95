"""autotag segment-source, embed-source."""

from typing import Annotated

import typer

from autotag.cli.options import AsJson, Config, Shards
from autotag.cli.session import Session
from autotag.cli.verb import run_assets
from autotag.domain.identity import detector_of
from autotag.errors import MissingInputError, UsageError


def segment_source(shards: Shards = None, config: Config = None, as_json: AsJson = False) -> None:
    """Find and embed the regions of archive shards, in one pass. Shards that are done are left alone."""
    session = Session.open(config)
    run_assets(
        session, "source_job", ["source_images", "source_embeddings"], session.shards(shards), as_json=as_json
    )


def embed_source(
    shards: Shards = None,
    boxes_from: Annotated[
        str,
        typer.Option(help="Model id whose boxes are used; default the only one of the settings' detector."),
    ] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Embed with another embedder, on boxes that segment-source recorded, without detecting again."""
    session = Session.open(config)
    wanted = session.shards(shards)
    boxes = boxes_from or _recorded_model(session, wanted)
    step = {"ops": {"source_pass": {"config": {"boxes_from": boxes}}}}
    run_assets(session, "source_job", ["source_images", "source_embeddings"], wanted, step, as_json=as_json)


def _recorded_model(session: Session, shards: list[str]) -> str:
    """The other model id of the settings' detector whose boxes cover the shards; their own where it is the only one."""
    from autotag.pipeline.plan import plan_of

    plan = plan_of(session.settings)
    root = session.layout.source_processed
    recorded = [path.name for path in root.iterdir()] if root.is_dir() else []
    fitting = sorted(
        model
        for model in recorded
        if detector_of(model) == detector_of(plan.model_id)
        and all(session.layout.source(model).embeddings(shard).exists() for shard in shards)
    )
    if not fitting:
        raise MissingInputError(
            f"no boxes of {detector_of(plan.model_id)} cover {shards[0]}..{shards[-1]} below {root};"
            " run autotag segment-source first"
        )
    others = [model for model in fitting if model != plan.model_id]
    if len(others) > 1:
        raise UsageError(
            f"boxes of several models cover these shards; choose with --boxes-from: {', '.join(fitting)}"
        )
    return (others or fitting)[0]
