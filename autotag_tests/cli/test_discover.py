"""`autotag discover`: clusters told and shown, then accepted by name, all or none, and undone together."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autotag.pipeline.plan import PipelinePlan
from autotag.storage.locks import folder_lock, held
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.review_steps import open_ledger
from autotag_tests.pipeline.target_steps import process

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
FOLDER = ("--folder", "a b")


@pytest.fixture
def folder(autotag: Autotag, plan: PipelinePlan, folders: Folders) -> PipelinePlan:
    """A folder of green and yellow pictures, embedded, without archive or labels."""
    files = {
        f"{c}{i}.png": coloured(c, 50 + 20 * n + i)
        for n, c in enumerate(("green", "yellow"))
        for i in range(5)
    }
    folders.make("a b", files)
    process(plan, "a b")
    return plan


def test_clusters_are_told_with_counts_that_close_and_the_page(
    autotag: Autotag, folder: PipelinePlan
) -> None:
    said = autotag("discover", *FOLDER, "--json")
    assert said.code == 0, said.err
    regions = said.json["regions"]
    assert regions["taken"] == sum(count for name, count in regions.items() if name != "taken") == 20
    assert all(len(each["cluster"]) == 8 and each["images"] >= 4 for each in said.json["clusters"])
    assert Path(said.json["page"]).read_text(encoding="utf-8").count("New tag?") == len(said.json["clusters"])
    told = autotag("discover", *FOLDER)
    assert said.json["clusters"][0]["cluster"] in told.out
    assert "20 regions: 0 explained" in told.out
    assert "no reference index" in told.out


def test_the_asset_is_materialised_on_the_shared_instance_with_a_summary_like_any_verbs(
    autotag: Autotag, folder: PipelinePlan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import dagster as dg

    said = autotag("discover", *FOLDER)
    assert (said.code, said.err) == (0, "")
    assert "tag_discovery  10   10" in said.out
    assert "passed  tag_discovery: every_region_is_accounted_for" in said.out
    (line,) = autotag("discover", "--json").out.splitlines()
    facts = json.loads(line)
    assert facts["checks"]["tag_discovery_of_all.every_region_is_accounted_for"]["passed"]
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / ".dagster"))
    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("tag_discovery")) == {"a b"}
        event = instance.get_latest_materialization_event(dg.AssetKey("tag_discovery_of_all"))
        assert event is not None
        assert event.run_id == facts["run_id"]


def test_a_folder_that_somebody_works_on_is_left_alone(autotag: Autotag, folder: PipelinePlan) -> None:
    with held(folder_lock(folder.layout, "a b")):
        said = autotag("discover", *FOLDER)
    assert said.code == 1
    assert not (Path(folder.layout.data.path) / "discovery").exists()


def test_accepting_adds_the_tag_to_the_clusters_images_as_one_group(
    autotag: Autotag, folder: PipelinePlan
) -> None:
    clusters = autotag("discover", *FOLDER, "--json").json["clusters"]
    first = clusters[0]
    said = autotag("discover", *FOLDER, "--accept", f"{first['cluster']}=new tag", "--json")
    assert said.code == 0, said.err
    assert said.json["images"] == first["images"]
    assert said.json["accepted"] == {first["cluster"]: "new tag"}
    with open_ledger(folder) as ledger:
        assert [tags for _, tags in ledger.approved_media()] == [("new tag",)] * first["images"]
        ledger.undo(said.json["run_id"], "ann")
        assert not list(ledger.approved_media())


def test_one_wrong_name_among_several_and_nothing_is_written(autotag: Autotag, folder: PipelinePlan) -> None:
    name = autotag("discover", *FOLDER, "--json").json["clusters"][0]["cluster"]
    said = autotag("discover", *FOLDER, "--accept", f"{name}=leaf", "--accept", "zzzz=frog")
    assert (said.code, "no cluster is called 'zzzz'" in said.err) == (2, True)
    assert not folder.layout.ledger.exists()
    said = autotag("discover", *FOLDER, "--accept", name)
    assert (said.code, "CLUSTER=TAG" in said.err) == (2, True)


def test_accepting_before_discovering_says_what_to_do(autotag: Autotag, folder: PipelinePlan) -> None:
    said = autotag("discover", *FOLDER, "--accept", "a=b")
    assert said.code == 1
    assert "autotag discover --folder 'a b'" in said.err


def test_without_a_folder_all_of_them_are_looked_through(
    autotag: Autotag, folder: PipelinePlan, folders: Folders
) -> None:
    folders.make("c", {f"{i}.png": coloured("purple", 90 + i) for i in range(5)})
    process(folder, "c")
    said = autotag("discover", "--json")
    assert said.json["steps"]["tag_discovery_of_all"]["in"] == 15
    assert {each["medoid"]["folder"] for each in said.json["clusters"]} == {"a b", "c"}
