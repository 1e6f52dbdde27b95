"""autotag process-target, segment-target, embed-target, tag-target."""

from collections.abc import Sequence
from pathlib import Path

from autotag.cli.options import AsJson, Config, Folder
from autotag.cli.session import Session
from autotag.cli.verb import run_assets

JOB = "process_target_job"
VOTE = ("folder_tags", "tag_proposals", "catalog_entries")
TARGET_PASS = ("target_images", "target_crops", "target_embeddings", *VOTE)
"""Steps from a folder's images to its tags, in their order."""


def process_target(folder: Folder, config: Config = None, as_json: AsJson = False) -> None:
    """Tag a folder, from images to tags. What is done already is not done again."""
    _run(folder, TARGET_PASS, config, as_json)


def segment_target(folder: Folder, config: Config = None, as_json: AsJson = False) -> None:
    """First step alone: read a folder's images, find their regions and save the crops."""
    _run(folder, ["target_images", "target_crops"], config, as_json)


def embed_target(folder: Folder, config: Config = None, as_json: AsJson = False) -> None:
    """Second step alone: embed the regions that segment-target found."""
    _run(folder, ["target_embeddings"], config, as_json)


def tag_target(folder: Folder, config: Config = None, as_json: AsJson = False) -> None:
    """Last step alone: let the archive vote the tags of what embed-target made, and keep the evidence; the tags are proposed in the ledger, and searched for in the catalog."""
    _run(folder, VOTE, config, as_json)


def _run(folder: str, assets: Sequence[str], config: Path | None, as_json: bool) -> None:
    session = Session.open(config)
    run_assets(session, JOB, assets, [session.folder(folder)], as_json=as_json)
