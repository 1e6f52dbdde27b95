"""scan, thumbs, embed, score, medoids, export, run: on a directory that no settings know of."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from autotag.cli import main
from autotag.cli.plain import COMMANDS
from autotag.models.fakes import FakeEmbedder
from autotag.settings import Settings
from autotag.storage.tables import read_table
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Folders, picture, snapshot
from autotag_tests.pipeline.reference_steps import coloured

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
FOLDERS = ("pics", "pics/-x", "pics/-x/deep", "pics/Ä b")
MODELS = '[models]\ndetector = "fake"\nembedder = "fake"\n[regions]\nmin_area_px = 16\n'


@pytest.fixture
def pics(tmp_path: Path) -> Path:
    """Red and blue pictures at four places, one broken file, and no settings file that knows of them."""
    root = tmp_path / "some where" / "pics"
    for path in FOLDERS:
        folder = root.parent / path
        folder.mkdir(parents=True)
        for number, colour in enumerate(("red", "blue", "red")):
            (folder / f"-{colour} {number} ü.png").write_bytes(coloured(colour, number))
    (root / "Ä b" / "broken.jpg").write_bytes(b"no picture")
    (root / "empty").mkdir()
    return root


@pytest.fixture
def plain(autotag: Autotag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Autotag:
    """The command line in an empty directory with a label list and fake models."""
    app = typer.Typer()
    for name, command in COMMANDS.items():
        app.command(name)(command)
    monkeypatch.setattr(main, "app", app)
    for key in ("DETECTOR", "EMBEDDER"):
        monkeypatch.setenv(f"AUTOTAG_MODELS__{key}", "fake")
    monkeypatch.setenv("AUTOTAG_REGIONS__MIN_AREA_PX", "16")
    monkeypatch.setenv("AUTOTAG_PATHS__MODEL_CACHE", str(tmp_path / "cache"))
    here = tmp_path / "here"
    here.mkdir()
    (here / "my labels.txt").write_text("red\nblue\ngreen\n")
    monkeypatch.chdir(here)
    return autotag


def log_lines(root: Path, verb: str) -> list[list[str]]:
    (log,) = (root / ".autotag" / "runs").glob(f"*-{verb}/log.txt")
    return [line.split("\t") for line in log.read_text(encoding="utf-8").splitlines()]


def results(root: Path, folder: str) -> Path:
    return root / ".autotag" / "target_processed" / folder


LABELS = ("--labels", "my labels.txt")


@pytest.mark.slow
def test_run_does_all_but_sidecars_in_every_folder_and_touches_no_image(plain: Autotag, pics: Path) -> None:
    images = {path: path.read_bytes() for path in pics.rglob("*") if path.is_file()}
    told = plain("run", "--root", str(pics), *LABELS, "--threshold", "0.3", "--topk", "2", "--json")
    assert (told.code, told.err) == (0, "")
    assert list(told.json["folders"]) == list(FOLDERS)
    assert told.json["steps"]["target_images"]["in"] == 13
    assert told.json["steps"]["target_images"]["rejected"] == 1
    assert told.json["steps"]["review_sheet"]["out"] == 12
    for folder in FOLDERS:
        made = results(pics, folder)
        assert len(list((made / "thumbnails").glob("*.jpg"))) == 3
        assert json.loads((made / "medoid.json").read_text())["file"].startswith("-red")
        scores = read_table(made / "label_scores.parquet").to_pylist()
        assert {row["top1"] for row in scores if "red" in row["file"]} == {"red"}
        assert all(len(row["topk_labels"]) == 2 for row in scores)
        assert (made / "review.csv").is_file()
    with (pics / ".autotag" / "folder_medoids.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["folder"] for row in csv.DictReader(stream)] == sorted(FOLDERS)
    assert {path: path.read_bytes() for path in images} == images
    assert not list(pics.rglob("*.xmp"))


@pytest.mark.slow
def test_the_settings_are_frozen_with_what_the_command_line_gave(plain: Autotag, pics: Path) -> None:
    words = ("--folder", ".", *LABELS, "--threshold", "0.3", "--topk", "2")
    assert plain("run", "--root", str(pics), *words).code == 0
    (config,) = (pics / ".autotag" / "runs").glob("*-run/config.json")
    settings = Settings.from_record(json.loads(config.read_text()))
    assert (settings.labels.threshold, settings.labels.topk) == (0.3, 2)
    assert settings.labels.file == str(Path.cwd() / "my labels.txt")
    assert settings.paths.target == str(pics.parent)
    of_runs = [path for path in (pics / ".autotag" / "runs").glob("*/config.json") if path != config]
    (of_run,) = of_runs
    assert Settings.from_record(json.loads(of_run.read_text())) == settings


@pytest.mark.slow
def test_verbs_one_after_the_other_come_to_what_run_does(plain: Autotag, pics: Path) -> None:
    root = ("--root", str(pics))
    one = ("--folder", "-x/deep")
    for verb in ("scan", "thumbs", "embed", "score", "medoids", "export"):
        told = plain(verb, *root, *one, *LABELS)
        assert (told.code, told.err) == (0, ""), verb
    assert {line[3] for line in log_lines(pics, "embed")} == {"target_crops", "target_embeddings"}
    apart = read_table(results(pics, "pics/-x/deep") / "label_scores.parquet")
    medoids = (pics / ".autotag" / "folder_medoids.csv").read_bytes()
    shutil.rmtree(pics / ".autotag")
    assert plain("run", *root, *one, *LABELS).code == 0
    assert read_table(results(pics, "pics/-x/deep") / "label_scores.parquet").equals(apart)
    assert (pics / ".autotag" / "folder_medoids.csv").read_bytes() == medoids


def test_each_folder_and_step_is_a_line_of_the_log(plain: Autotag, pics: Path) -> None:
    assert plain("scan", "--root", str(pics)).code == 0
    lines = log_lines(pics, "scan")
    assert [line[2] for line in lines] == list(FOLDERS)
    assert {tuple(line[3:5]) for line in lines} == {("target_images", "in=3"), ("target_images", "in=4")}
    assert lines[-1][4:7] == ["in=4", "out=3", "rejected=1"]
    assert lines[-1][9] == f"path={results(pics, 'pics/Ä b')}/images.parquet"


@pytest.mark.slow
def test_a_second_time_it_says_what_was_unchanged_and_loads_no_model(
    plain: Autotag, pics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = ("--root", str(pics))
    assert plain("run", *root, *LABELS).code == 0
    monkeypatch.setattr(FakeEmbedder, "embed_images", None)
    before = snapshot(pics / ".autotag" / "target_processed" / "pics" / "thumbnails")
    told = plain("run", *root, *LABELS)
    assert told.code == 0
    for step in ("target_images", "thumbnails", "target_crops", "target_embeddings", "folder_medoid"):
        assert f"{step}: unchanged in 4 of 4 folders" in told.out
    assert snapshot(pics / ".autotag" / "target_processed" / "pics" / "thumbnails") == before
    counted = plain("run", *root, *LABELS, "--json").json["unchanged"]
    assert counted["thumbnails"] == 4


def test_a_summary_over_all_folders_closes_a_command(plain: Autotag, pics: Path) -> None:
    told = plain("scan", "--root", str(pics))
    assert "target_images  13   12         1" in told.out
    assert "pics/Ä b: broken.jpg" in told.out or "broken.jpg (decode" in told.out
    assert f"4 folders done -> {pics}/.autotag/target_processed" in told.out
    assert "log: " in told.out
    assert told.err == ""


@pytest.mark.slow
def test_a_folder_that_fails_is_named_and_the_others_are_done(plain: Autotag, pics: Path) -> None:
    root = ("--root", str(pics))
    assert plain("scan", *root).code == 0
    shutil.rmtree(results(pics, "pics/-x") / "deep")
    told = plain("thumbs", *root)
    assert told.code == 1
    assert told.err.startswith("error: 1 of 4 folders failed:\n- pics/-x/deep: ")
    assert f"autotag scan --root '{pics}' --folder -x/deep" in told.err
    assert "3 folders done" in told.out
    lines = log_lines(pics, "thumbs")
    assert [line[3] for line in lines] == ["thumbnails", "thumbnails", "failed", "thumbnails"]
    as_json = plain("thumbs", *root, "--json")
    assert as_json.code == 1
    assert list(as_json.json["failed"]) == ["pics/-x/deep"]
    assert plain("scan", *root, "--folder", "-x/deep").code == 0
    assert plain("thumbs", *root).code == 0


@pytest.mark.slow
def test_steps_of_a_failing_folder_that_ended_well_are_logged(
    plain: Autotag, pics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.errors import PermanentError
    from autotag.pipeline import find_medoid

    def fail(*_: object) -> None:
        raise PermanentError("no medoid today")

    monkeypatch.setattr(find_medoid, "find_medoid", fail)
    told = plain("run", "--root", str(pics), "--folder", ".", *LABELS)
    assert told.code == 1
    assert "- pics: no medoid today" in told.err
    steps = [line[3] for line in log_lines(pics, "run")]
    assert {"target_images", "thumbnails", "target_embeddings", "review_sheet"} < set(steps)
    assert "folder_medoid" not in steps
    assert steps[-1] == "failed"


@pytest.mark.parametrize(
    ("verb", "first"),
    [("thumbs", "scan"), ("embed", "scan"), ("score", "embed"), ("medoids", "embed"), ("export", "scan")],
)
def test_a_verb_whose_input_is_missing_names_the_verb_to_run_first(
    plain: Autotag, pics: Path, verb: str, first: str
) -> None:
    told = plain(verb, "--root", str(pics), "--folder", "Ä b", *LABELS)
    assert told.code == 1
    assert f"autotag {first} --root '{pics}' --folder 'Ä b'" in told.err


def test_results_go_where_out_says(plain: Autotag, pics: Path, tmp_path: Path) -> None:
    out = tmp_path / "some where" / "results"
    told = plain("scan", "--root", str(pics), "--out", str(out), "--json")
    assert told.code == 0
    assert (out / "target_processed" / "pics" / "images.parquet").is_file()
    assert not (pics / ".autotag").exists()
    told = plain("medoids", "--root", str(pics), "--out", str(out))
    assert f"--out '{out}'" in told.err


def test_a_directory_that_cannot_hold_results_is_told_of_out(plain: Autotag, pics: Path) -> None:
    (pics / ".autotag").write_text("in the way")
    told = plain("scan", "--root", str(pics))
    assert told.code == 1
    assert ".autotag: what is in it cannot be looked at (Not a directory)" in told.err
    assert "name another place for the results with --out" in told.err


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (("--root", "/"), "that is the whole file system", 2),
        (("--root", "nowhere"), "nowhere is not there", 1),
        (("--root", "."), "holds no images", 1),
        ((), "--root, or with --folder", 2),
        (("--folder", "x", "--out", "y"), "--out y goes with --root", 2),
        (("--root", "{pics}", "--folder", "../x"), "give the folder's path below {pics}", 2),
        (("--root", "{pics}", "--folder", "x"), "{pics}/x is not there", 1),
        (("--root", "{pics}", "--out", "{pics}/seen"), "only ever read", 2),
        (("--root", "{pics}", "--topk", "0"), "--topk", 2),
        (("--root", "{pics}", "--threshold", "2"), "--threshold", 2),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    plain: Autotag, pics: Path, words: tuple[str, ...], told: str, code: int
) -> None:
    said = plain("scan", *(word.replace("{pics}", str(pics)) for word in words))
    assert said.code == code
    assert told.replace("{pics}", str(pics)) in said.err.replace("\n", "")
    assert "Traceback" not in said.err
    assert not (pics / ".autotag").exists()


@pytest.mark.parametrize("verb", ["score", "run"])
@pytest.mark.parametrize("content", [None, b"", b"# nothing\n"])
def test_labels_that_cannot_be_used_are_told_before_anything_is_made(
    plain: Autotag, pics: Path, verb: str, content: bytes | None
) -> None:
    if content is not None:
        Path("bad.txt").write_bytes(content)
    told = plain(verb, "--root", str(pics), "--labels", "bad.txt")
    assert told.code == 1
    assert str(Path.cwd() / "bad.txt") in told.err
    assert not (pics / ".autotag").exists()


def test_a_folder_of_the_settings_needs_no_root(
    plain: Autotag, folders: Folders, settings_file: Path
) -> None:
    folders.make("-trip", {"a.png": picture(1)})
    told = plain("scan", "--folder", "-trip", "--config", str(settings_file), "--json")
    assert (told.code, told.err) == (0, "")
    assert list(told.json["folders"]) == ["-trip"]
    assert (folders.data / "target_processed" / "-trip" / "images.parquet").is_file()
    assert Path(told.json["log"]).is_relative_to(folders.data / "runs")
    told = plain("medoids", "--folder", "-trip", "--config", str(settings_file))
    assert f"autotag embed --folder -trip --config {settings_file}" in told.err


def test_an_interrupted_command_says_how_far_it_was(
    plain: Autotag, pics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.cli.session import Session

    attempt, seen = Session.attempt, []

    def interrupted(self: Session, *args: object):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(args)
        return attempt(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "attempt", interrupted)
    told = plain("scan", "--root", str(pics))
    assert told.code == 130
    assert "interrupted: 2 of 4 folders are done" in told.err
    assert len(log_lines(pics, "scan")) == 2


def test_every_verb_says_what_it_does(plain: Autotag) -> None:
    assert list(COMMANDS) == ["scan", "thumbs", "embed", "score", "medoids", "export", "run"]
    for verb in COMMANDS:
        told = plain(verb, "--help")
        assert told.code == 0
        assert "--root" in told.out
