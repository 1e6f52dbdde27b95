"""autotag sidecars: what would be written, writing, and taking back, on folders of the settings and on plain directories."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from autotag.cli.plain_root import FoundFolders
from autotag.cli.session import Session
from autotag.cli.sidecars import Asked, show_folders, sidecars
from autotag.domain.identity import folder_key
from autotag.domain.ledger_entries import Action, Decision
from autotag.errors import AutotagError, MissingInputError, SidecarError, UsageError
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.review.sidecars.fields import SUBJECT
from autotag.review.sidecars.plan_file import read_plan
from autotag.review.sidecars.xml_packet import read_packet
from autotag.settings import Settings
from autotag.storage.tables import read_table
from autotag_tests.conftest import Folders, snapshot
from autotag_tests.review.sidecar_samples import IMMICH

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Call = Callable[..., Result]


@pytest.fixture
def call(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`autotag sidecars` with the test's settings; what it raises is raised."""
    for name in ("DAGSTER_HOME", "AUTOTAG_CONFIG"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    app = typer.Typer()
    app.command()(sidecars)

    def called(*words: str) -> Result:
        result = CliRunner().invoke(app, [*words, "--config", str(settings_file)])
        if isinstance(result.exception, AutotagError):
            raise result.exception
        return result

    return called


@pytest.fixture
def approve(settings: Settings, plan: PipelinePlan) -> Iterator[Callable[..., None]]:
    """Decide about the n-th image of folder trip."""
    with TagLedger.open(ledger_url(settings, plan.layout)) as ledger:

        def decided(number: int, tag: str, action: Action = Action.APPROVE) -> None:
            media = read_table(plan.layout.folder_tables("trip").images, ["media_id"])["media_id"]
            ledger.decide([Decision(media[number].as_py(), tag, action)], "ann")

        yield decided


@pytest.fixture
def trip(folders: Folders, plan: PipelinePlan, approve: Callable[..., None]) -> Path:
    """Four images; the first is a bird, the second one too, and has a sidecar."""
    folder = folders.simple("trip", 4)
    (folder / "p001.xmp").write_bytes(IMMICH)
    list_target_images(plan, "trip")
    approve(0, "animal|bird")
    approve(1, "bird")
    return folder


def last_line(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout.rstrip("\n").splitlines()[-1])


def subjects(path: Path) -> tuple[str, ...]:
    return read_packet(path.read_bytes()).keywords[SUBJECT]


def test_a_dry_run_prints_every_keyword_that_would_come_and_go(trip: Path, call: Call) -> None:
    before = snapshot(trip)
    told = call("--folder", "trip", "--dry-run").stdout
    assert "new  p000.xmp\n  + bird  XMP-dc:Subject\n  + animal|bird  XMP-lr:HierarchicalSubject" in told
    assert "merged  p001.xmp\n  + bird  XMP-dc:Subject\n  + bird  XMP-digiKam:TagsList" in told
    assert "trip: 2 images: 1 new, 1 merged, 0 unchanged, 0 rejected; nothing was written" in told
    assert snapshot(trip) == before


def test_a_dry_run_goes_on_after_folders_that_cannot_be_looked_at(
    trip: Path, folders: Folders, settings_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders.simple("a new one", 1)
    found = FoundFolders((folder_key("a new one"), "trip"), {"locked": "/locked may not be read"})
    session, kept = Session.open(settings_file), tmp_path / "plan.json"
    with pytest.raises(typer.Exit) as ended:
        show_folders(session, found, Asked(), kept, as_json=False)
    said = capsys.readouterr()
    assert ended.value.exit_code == 1
    assert "trip: 2 images: 1 new, 1 merged" in said.out
    first, *rest = said.err.splitlines()
    assert first == "error: 2 of 3 folders failed:"
    assert rest[0].startswith("- a new one: ")
    assert "images.parquet is not there" in rest[0]
    assert rest[1:] == ["- locked: /locked may not be read"]
    assert len(read_plan(str(kept), "trip").sidecars) == 2

    with pytest.raises(typer.Exit):
        show_folders(session, found, Asked(), None, as_json=True)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (list(told["folders"]), list(told["failed"])) == (["trip"], ["a new one", "locked"])


def test_a_dry_run_of_no_folder_that_can_be_looked_at_keeps_no_plan(
    folders: Folders, call: Call, tmp_path: Path
) -> None:
    folders.simple("new", 1)
    result = call("--folder", "new", "--dry-run", "--save-plan", str(tmp_path / "plan.json"))
    assert result.exit_code == 1
    assert "1 of 1 folders failed" in result.stderr
    assert not (tmp_path / "plan.json").exists()


def test_a_dry_run_for_scripts_has_the_hash_of_every_sidecar(trip: Path, call: Call) -> None:
    folder = last_line(call("--folder", "trip", "--dry-run", "--json"))["folders"]["trip"]
    assert (folder["in"], folder["out"], folder["rejected"], folder["new"], folder["merged"]) == (
        2,
        2,
        0,
        1,
        1,
    )
    assert [len(each["sha256"]) for each in folder["sidecars"]] == [0, 64]


def test_writing_tells_counts_and_how_to_take_it_back(trip: Path, call: Call, settings_file: Path) -> None:
    result = call("--folder", "trip")
    assert result.exit_code == 0, result.output
    assert "trip: sidecars: 1 new, 1 merged, 0 unchanged, 0 rejected" in result.stdout
    assert f"autotag sidecars --folder trip --config {settings_file} --undo 2" in result.stdout
    assert (subjects(trip / "p000.xmp"), subjects(trip / "p001.xmp")) == (("bird",), ("bird",))
    assert "1 restored" in call("--folder", "trip", "--undo", "last").stdout
    assert (trip / "p001.xmp").read_bytes() == IMMICH
    assert not (trip / "p000.xmp").exists()


def test_writing_for_scripts_is_one_json_object(trip: Path, call: Call) -> None:
    result = call("--folder", "trip", "--json")
    facts = last_line(result)["folders"]["trip"]["xmp_sidecars"]
    assert (facts["in"], facts["out"], facts["rejected"], facts["new"], facts["merged"]) == (2, 2, 0, 1, 1)
    undone = last_line(call("--folder", "trip", "--undo", facts["sidecar run"], "--json"))
    assert (undone["restored"], undone["removed"]) == (1, 1)
    assert [each["state"] for each in undone["folders"]["trip"]] == ["removed", "restored"]


def test_rejected_sidecars_are_named_with_the_reason(trip: Path, call: Call) -> None:
    (trip / "p000.xmp").write_bytes(b"damaged")
    result = call("--folder", "trip")
    assert result.exit_code == 0
    assert "p000.xmp: it is no XML" in result.stdout
    assert "0 new, 1 merged, 0 unchanged, 1 rejected" in result.stdout
    assert (trip / "p000.xmp").read_bytes() == b"damaged"


def test_writing_is_held_to_a_kept_plan(trip: Path, call: Call, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    call("--folder", "trip", "--dry-run", "--save-plan", plan)
    changed = IMMICH.replace(b"At the lake", b"At the sea")
    (trip / "p001.xmp").write_bytes(changed)
    result = call("--folder", "trip", "--plan", plan)
    assert "p001.xmp: another program has changed it since the dry run" in result.stdout
    assert (trip / "p001.xmp").read_bytes() == changed
    assert subjects(trip / "p000.xmp") == ("bird",)


def test_a_sidecar_changed_since_a_run_is_named_and_left(trip: Path, call: Call) -> None:
    call("--folder", "trip")
    (trip / "p001.xmp").write_bytes(IMMICH)
    (trip / "p000.xmp").write_bytes(IMMICH)
    with pytest.raises(SidecarError, match="1 of 2 sidecars were changed since run last and left"):
        call("--folder", "trip", "--undo", "last")
    assert (trip / "p000.xmp").read_bytes() == IMMICH


def test_a_missing_exiftool_fails_with_the_remedy_and_writes_nothing(
    trip: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOTAG_SIDECARS__EXIFTOOL", "no-such-exiftool")
    before = snapshot(trip)
    result = call("--folder", "trip")
    assert result.exit_code == 1
    assert "ExifTool (no-such-exiftool) is not there" in result.stderr
    assert "libimage-exiftool-perl" in result.stderr
    assert {name: at for name, at in snapshot(trip).items() if name != "."} == {
        name: at for name, at in before.items() if name != "."
    }


def test_a_read_only_folder_is_told_loudly(trip: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from autotag.review.sidecars.place import SidecarPlace

    monkeypatch.setattr(SidecarPlace, "refuses_writes", lambda place: place.directory.name == "trip")
    assert "THE FOLDER CANNOT BE WRITTEN TO" in call("--folder", "trip", "--dry-run").stdout
    result = call("--folder", "trip")
    assert "THE FOLDER CANNOT BE WRITTEN TO" in result.stdout
    assert "THE FOLDER CANNOT BE WRITTEN TO" in last_line(call("--folder", "trip", "--json"))["folders"]["trip"]["xmp_sidecars"]["notice"]  # fmt: skip


def test_a_plain_directory_will_do(folders: Folders, call: Call, tmp_path: Path, settings_file: Path) -> None:
    root = tmp_path / "photos"
    folders.simple("unused", 1)
    (root / "day one").mkdir(parents=True)
    for image in (tmp_path / "data" / "target" / "unused").iterdir():
        (root / "day one" / image.name).write_bytes(image.read_bytes())
    from autotag.cli.plain import open_folders

    session, found = open_folders(root, "", None, settings_file, {})
    (key,) = found.keys
    from autotag.pipeline.plan import plan_of

    list_target_images(plan_of(session.settings), key)
    media = read_table(session.layout.folder_tables(key).images, ["media_id"])["media_id"][0].as_py()
    with TagLedger.open(ledger_url(session.settings, session.layout)) as ledger:
        ledger.decide([Decision(media, "bird", Action.APPROVE)], "ann")
    result = call("--root", str(root))
    assert result.exit_code == 0, result.output
    assert subjects(root / "day one" / "p000.xmp") == ("bird",)
    assert f"--root {root}" in result.stdout
    (root / "p.png").write_bytes((root / "day one" / "p000.png").read_bytes())  # a folder without runs
    call("--root", str(root), "--undo", "last")
    assert [path.name for path in (root / "day one").iterdir()] == ["p000.png"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--folder", "trip", "--undo", "last", "--dry-run"], "--undo goes with none"),
        (["--folder", "trip", "--save-plan", "plan.json"], "give --dry-run as well"),
        ([], "--root"),
    ],
)
def test_options_that_do_not_go_together_are_refused(call: Call, words: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        call(*words)


def test_undo_of_a_run_that_never_was_is_told(trip: Path, call: Call) -> None:
    with pytest.raises(MissingInputError, match="no run 'x' has written sidecars"):
        call("--folder", "trip", "--undo", "x")


def test_the_asset_can_be_run_dry(trip: Path, call: Call, settings_file: Path) -> None:
    session, before = Session.open(settings_file), snapshot(trip)
    session.make_home()
    config = {"ops": {"xmp_sidecars": {"config": {"dry_run": True}}}}
    (entry,) = session.materialise("sidecars_job", ["xmp_sidecars"], ["trip"], config).materialised
    assert [(each["sidecar"], each["state"]) for each in entry.facts["diff"]] == [
        ("p000.xmp", "new"),
        ("p001.xmp", "merged"),
    ]
    assert "sidecar run" not in entry.facts
    assert snapshot(trip) == before


def test_the_asset_is_part_of_no_other_job() -> None:
    from autotag.definitions import defs

    for job in defs.resolve_all_job_defs():
        names = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
        assert ("xmp_sidecars" in names) == (job.name in {"sidecars_job", "__ASSET_JOB"})


def test_a_damaged_sidecar_is_set_aside_when_asked_for_and_put_back(trip: Path, call: Call) -> None:
    damaged = trip / "p000.xmp"
    damaged.write_bytes(b"half a")
    told = call("--folder", "trip", "--dry-run").stdout
    assert "--set-damaged-aside keeps it as p000.xmp.damaged" in told
    told = call("--folder", "trip", "--dry-run", "--set-damaged-aside").stdout
    assert "new  p000.xmp: the damaged one is kept as p000.xmp.damaged" in told
    assert damaged.read_bytes() == b"half a"
    result = call("--folder", "trip", "--set-damaged-aside")
    assert "1 new, 1 merged, 0 unchanged, 0 rejected" in result.stdout
    assert "1 damaged: kept beside the new ones" in result.stdout
    assert (subjects(damaged), (trip / "p000.xmp.damaged").read_bytes()) == (("bird",), b"half a")
    call("--folder", "trip", "--undo", "last")
    assert damaged.read_bytes() == b"half a"
    assert not (trip / "p000.xmp.damaged").exists()
    with pytest.raises(UsageError, match="--undo goes with none of"):
        call("--folder", "trip", "--undo", "last", "--set-damaged-aside")
