"""why, review import, ledger, discover on a directory that no settings know of; what they tell to type works there."""

import html
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from autotag.cli.plain import label_settings, open_session
from autotag.domain.identity import media_id
from autotag.pipeline.plan import plan_of
from autotag.pipeline.propose_tags import propose_tags
from autotag.pipeline.score_labels import label_rules, score_labels
from autotag.pipeline.write_review_sheet import write_review_sheet
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.layout import Layout
from autotag_tests.cli.conftest import Said
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.target_steps import process

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
LABELS = ("--labels", "my labels.txt")


@dataclass
class Photos:
    """A processed plain directory, and the options that lead to its results."""

    root: Path
    words: tuple[str, ...]
    layout: Layout


@pytest.fixture
def plain(autotag: Autotag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Autotag:
    """The command line in a directory with a label list and no settings file."""
    for key in ("DETECTOR", "EMBEDDER"):
        monkeypatch.setenv(f"AUTOTAG_MODELS__{key}", "fake")
    monkeypatch.setenv("AUTOTAG_REGIONS__MIN_AREA_PX", "16")
    monkeypatch.setenv("AUTOTAG_PATHS__MODEL_CACHE", str(tmp_path / "cache"))
    here = tmp_path / "here"
    here.mkdir()
    (here / "my labels.txt").write_text("red\nblue\n")
    monkeypatch.chdir(here)
    return autotag


def processed(root: Path, out: Path | None, *inner: str) -> Photos:
    """The root's folders with red and green pictures, embedded, scored and proposed, with a sheet each."""
    session = open_session(root, out, None, label_settings(Path("my labels.txt"), 0.3))
    plan = plan_of(session.settings)
    with TagLedger.open(ledger_url(session.settings, session.layout)) as ledger:
        for number, path in enumerate(inner):
            key = session.folder(path)
            process(plan, key)
            score_labels(plan, key, label_rules(session.settings))
            propose_tags(plan, key, f"run{number}", ledger)
            write_review_sheet(plan, key, f"export{number}", ledger)
    words = ("--root", str(root), *(("--out", str(out)) if out else ()))
    return Photos(root, words, session.layout)


def pictures(folder: Path, first: int) -> None:
    folder.mkdir(parents=True)
    for number in range(5):
        for colour in ("red", "green"):
            (folder / f"{colour}{number}.png").write_bytes(coloured(colour, first + 20 * number))


@pytest.fixture(params=["in the root", "elsewhere"])
def photos(plain: Autotag, tmp_path: Path, request: pytest.FixtureRequest) -> Photos:
    """One folder, the root itself."""
    root = tmp_path / "some where" / "pics"
    pictures(root, 50)
    (root.parent / "results").mkdir()
    return processed(root, root.parent / "results" if request.param == "elsewhere" else None, ".")


@pytest.fixture
def albums(plain: Autotag, tmp_path: Path) -> Photos:
    """The root and a folder in it."""
    root = tmp_path / "some where" / "pics"
    pictures(root, 50)
    pictures(root / "day two", 51)
    return processed(root, None, ".", "day two")


def test_a_root_of_one_folder_need_not_name_it_to_have_a_tag_explained(
    plain: Autotag, photos: Photos
) -> None:
    told = plain("why", *photos.words, "--file", "red0.png", "--json")
    assert (told.code, told.err) == (0, "")
    assert [tag["tag"] for tag in told.json["tags"]] == ["red"]
    assert plain("why", *photos.words, "--folder", ".", "--file", "red0.png", "--json").out == told.out


def test_of_several_folders_one_has_to_be_named(plain: Autotag, albums: Photos) -> None:
    told = plain("why", *albums.words, "--file", "red0.png")
    assert told.code == 2
    assert f"{albums.root} has 2 folders that can be looked at; name one of them with --folder" in told.err
    told = plain("why", *albums.words, "--folder", "day two", "--file", "red0.png")
    assert (told.code, told.out.startswith("red  ")) == (0, True)


def test_results_of_a_folder_that_is_gone_are_still_explained(plain: Autotag, albums: Photos) -> None:
    (albums.root / "day two").rename(albums.root.parent / "moved")
    told = plain("why", *albums.words, "--folder", "day two", "--file", "red0.png", "--json")
    assert [tag["tag"] for tag in told.json["tags"]] == ["red"]


def edited(photos: Photos, key: str) -> Path:
    """The sheet of a folder, in which an image was given a label."""
    sheet = Path(photos.layout.folder_tables(key).review_sheet.path)
    text = sheet.read_text(encoding="utf-8")
    sheet.write_text(re.sub(r",(,export\d)", r",blue\1", text, count=1), encoding="utf-8")
    return sheet


def test_a_sheet_is_imported_and_the_command_that_is_told_takes_it_back(
    plain: Autotag, photos: Photos
) -> None:
    told = plain("review", "import", str(edited(photos, "pics")), *photos.words, *LABELS)
    assert (told.code, told.err) == (0, "")
    assert "1 labels changed: 0 approved, 1 added" in told.out
    told_command = re.search(r"`autotag (ledger undo .*)` takes it back", told.out)
    assert told_command
    undone = plain(*shlex.split(told_command[1]))
    assert (undone.code, "1 decisions cleared" in undone.out) == (0, True)
    again = re.search(r"to bring it back: autotag (.*)", undone.out)
    assert again
    assert plain(*shlex.split(again[1])).code == 0
    assert [run["kind"] for run in plain("ledger", "runs", *photos.words, "--json").json["runs"]] == [
        "run",
        "import",
        "undo",
        "undo",
    ]


def test_a_sheet_without_paths_is_of_the_folder_that_is_named(plain: Autotag, albums: Photos) -> None:
    sheet = edited(albums, "pics/day two")
    lines = sheet.read_text(encoding="utf-8").splitlines()
    sheet.write_text("\n".join(line.partition(",")[2] for line in lines), encoding="utf-8")
    words = ("review", "import", str(sheet), *albums.words, *LABELS, "--json")
    assert plain(*words).code == 1
    assert plain(*words, "--folder", "day two").json["added"] == 1


def test_the_ledger_of_a_root_tells_runs_histories_and_differences(plain: Autotag, photos: Photos) -> None:
    image = photos.root / "red0.png"
    facts = plain("ledger", "history", str(image), *photos.words, "--json").json
    assert facts["media_id"] == media_id(image.read_bytes())
    assert [tag["tag"] for tag in facts["tags"]] == ["red"]
    assert [run["run_id"] for run in plain("ledger", "runs", *photos.words, "--json").json["runs"]] == [
        "run0"
    ]
    assert plain("ledger", "diff", "run0", "run0", *photos.words, "--json").json["changes"] == []
    assert plain("ledger", "undo", "--run", "run0", *photos.words, "--json").json["withdrawn"] == 5


def test_a_root_without_a_ledger_says_so_and_makes_none(plain: Autotag, tmp_path: Path) -> None:
    pictures(tmp_path / "new", 50)
    told = plain("ledger", "runs", "--root", str(tmp_path / "new"))
    assert (told.code, str(tmp_path / "new" / ".autotag" / "ledger.sqlite") in told.err) == (1, True)
    assert not (tmp_path / "new" / ".autotag").exists()


def commands_of(page: str) -> list[str]:
    text = Path(page).read_text(encoding="utf-8")
    return [html.unescape(each) for each in re.findall(r"<code>autotag (discover[^<]*=TAG)</code>", text)]


@pytest.mark.parametrize("folder", [(), ("--folder", "."), ("--folder", "day two")])
def test_new_tags_are_discovered_and_the_pages_command_accepts_one(
    plain: Autotag, albums: Photos, folder: tuple[str, ...]
) -> None:
    told = plain("discover", *albums.words, *folder, *LABELS, "--threshold", "0.3", "--json")
    assert (told.code, told.err) == (0, "")
    (step,) = told.json["steps"].values()
    assert step["in"] == (10 if folder else 20)
    assert told.json["regions"]["explained"] > 0
    first, *_ = commands_of(told.json["page"])
    accepted = plain(*shlex.split(first), "--json")
    assert (accepted.code, accepted.err) == (0, "")
    assert accepted.json["images"] == told.json["clusters"][0]["images"]
    undone = plain("ledger", "undo", "--run", accepted.json["run_id"], *albums.words, "--json").json
    assert undone["cleared"] == accepted.json["images"]


def test_accepting_before_discovering_names_the_command_for_this_directory(
    plain: Autotag, photos: Photos
) -> None:
    told = plain("discover", *photos.words, "--folder", ".", "--accept", "a=b")
    assert told.code == 1
    words = ["discover", "--root", str(photos.root), "--folder", ".", *photos.words[2:]]
    assert f"run `autotag {shlex.join(words)}` first" in told.err


def test_discovering_before_embedding_names_the_verb_to_run_first(plain: Autotag, tmp_path: Path) -> None:
    pictures(tmp_path / "new", 50)
    told = plain("discover", "--root", str(tmp_path / "new"), "--folder", ".")
    assert told.code == 1
    assert f"run this first:\n  autotag embed --root {tmp_path / 'new'} --folder ." in told.err
    assert not (tmp_path / "new" / ".autotag").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("why", "--folder", "x", "--file", "a.png"),
        ("review", "import", "review.csv"),
        ("ledger", "runs"),
        ("ledger", "undo", "--run", "r"),
        ("ledger", "diff", "a", "b"),
        ("ledger", "history", "a.png"),
        ("discover",),
        ("studio",),
    ],
)
def test_out_goes_with_a_root_only(plain: Autotag, words: tuple[str, ...]) -> None:
    told = plain(*words, "--out", "y")
    assert (told.code, "--out y goes with --root" in told.err) == (2, True)


def test_without_root_and_folder_both_are_told(plain: Autotag) -> None:
    told = plain("why", "--file", "a.png")
    assert (told.code, "--root, or with --folder" in told.err) == (2, True)
