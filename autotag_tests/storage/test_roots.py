from pathlib import Path

import pytest
from upath import UPath

from autotag.errors import SettingsError, UnwritableRootError
from autotag.settings import Settings
from autotag.storage.roots import is_local, layout_of, make_directory


def test_local_paths_are_told_from_stores(tmp_path: Path) -> None:
    assert is_local(UPath(tmp_path))
    assert is_local(UPath(tmp_path.as_uri()))
    assert not is_local(UPath("s3://bucket/x"))
    assert not is_local(UPath("memory://x"))


def test_a_directory_is_made_with_its_parents_and_may_be_there(tmp_path: Path) -> None:
    for _ in range(2):
        make_directory(UPath(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()


def test_a_root_that_refuses_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableRootError, match=r"file.*cannot be written.*\[paths\]"):
        make_directory(UPath(tmp_path / "file" / "below"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("target_processed", "data/target"),
        ("target_processed", "data/target/results"),
        ("target", "data"),
        ("reference", "data/source/shards"),
        ("source_tags", "data/source/processed"),
    ],
)
def test_a_root_that_is_written_never_meets_one_that_is_the_users(
    tmp_path: Path, key: str, value: str
) -> None:
    file = tmp_path / "autotag.toml"
    file.write_text(f'[paths]\n{key} = "{value}"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=f"{key}.*overlap|overlap.*{key}|and {key}"):
        layout_of(Settings.load(file))


def test_results_may_lie_beside_the_only_folder_that_is_used_but_not_in_it(tmp_path: Path) -> None:
    only = {"paths.target": str(tmp_path), "target.only": "pics"}
    assert (
        layout_of(Settings.load(None, {**only, "paths.data": str(tmp_path / "results")})).data.name
        == "results"
    )
    for data in ("pics", "pics/results"):
        with pytest.raises(SettingsError, match="overlap"):
            layout_of(Settings.load(None, {**only, "paths.data": str(tmp_path / data)}))
