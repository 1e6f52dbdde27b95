from dataclasses import replace
from pathlib import Path

import pytest

from autotag.errors import MissingInputError, ModelMismatchError
from autotag.pipeline.embed_target import embeddings_fingerprint
from autotag.pipeline.folder_embeddings import embeddings_stamp, refuse_stale_embeddings
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import read_stamp
from autotag_tests.conftest import Folders, picture
from autotag_tests.pipeline.target_steps import crops, process


@pytest.fixture
def trip(plan: PipelinePlan, folders: Folders) -> Path:
    path = folders.simple("my trip", 2)
    process(plan, "my trip")
    return path


def test_fresh_vectors_are_let_through(plan: PipelinePlan, trip: Path) -> None:
    stamp = embeddings_stamp(plan, "my trip")
    assert (stamp.fingerprint, stamp.extra["counts"]["made"]) == (embeddings_fingerprint(plan, "my trip"), 2)
    refuse_stale_embeddings(plan, "my trip")(stamp)


def test_vectors_of_an_earlier_state_are_refused_with_the_command(plan: PipelinePlan, trip: Path) -> None:
    from autotag.pipeline.list_target_images import list_target_images

    (trip / "new.png").write_bytes(picture(9))
    list_target_images(plan, "my trip")
    crops(plan, "my trip")
    with pytest.raises(
        MissingInputError, match="earlier state of the folder; run autotag process-target --folder 'my trip'"
    ):
        embeddings_stamp(plan, "my trip")


def test_vectors_of_another_model_are_refused_with_the_command(plan: PipelinePlan, trip: Path) -> None:
    stamp = read_stamp(plan.layout.folder_tables("my trip").embeddings)
    other = replace(plan, model_id=f"{plan.model_id}-of-another-kind")
    with pytest.raises(
        ModelMismatchError, match="of-another-kind; run `autotag process-target --folder 'my trip'` again"
    ):
        refuse_stale_embeddings(other, "my trip")(stamp)


def test_a_table_that_is_not_ours_is_of_an_unknown_model(plan: PipelinePlan, trip: Path) -> None:
    with pytest.raises(ModelMismatchError, match="is of an unknown model"):
        refuse_stale_embeddings(plan, "my trip")(None)


def test_vectors_that_are_not_there_are_told(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("trip", 1)
    with pytest.raises(MissingInputError, match="materialise target_embeddings of trip first"):
        embeddings_stamp(plan, "trip")
