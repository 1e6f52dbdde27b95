"""autotag process-target, segment-target, embed-target, tag-target."""

from pathlib import Path

from autotag.cli.options import AsJson, Config, Folder
from autotag.cli.session import Session
from autotag.cli.verb import run_assets

JOB = "process_target_job"


def process_target(folder: Folder, config: Config = None, as_json: AsJson = False) -> None:
    """Tag a folder: images, regions, embeddings, tags."""
    _run(folder, ["target_images", "target_crops", "target_embeddings", "folder_tags"], config, as_json)


def segment_target(folder: Folder, config: Config = None, as_json: AsJson = False) -> None:
    """Read a folder's images and find their regions; crops are saved."""
    _run(folder, ["target_images", "target_crops"], config, as_json)


def embed_target(folder: Folder, config: Config = None, as_json: AsJson = False) -> None:
    """Embed a folder's recorded regions."""
    _run(folder, ["target_embeddings"], config, as_json)


def tag_target(folder: Folder, config: Config = None, as_json: AsJson = False) -> None:
    """Let the archive vote a folder's tags; the evidence is kept."""
    _run(folder, ["folder_tags"], config, as_json)


def _run(folder: str, assets: list[str], config: Path | None, as_json: bool) -> None:
    session = Session.open(config)
    run_assets(session, JOB, assets, [session.folder(folder)], as_json=as_json)
