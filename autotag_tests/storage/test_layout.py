from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from autotag.domain.identity import folder_key
from autotag.errors import UsageError
from autotag.settings import Settings
from autotag.storage.file_names import crop_name
from autotag.storage.folder_tables import RESULT_NAMES, FolderTables, results_path
from autotag.storage.layout import Layout
from autotag.storage.roots import layout_of

PARTS = st.one_of(
    st.sampled_from([*sorted(RESULT_NAMES), "Segmentation", "TAGS.JSON", "crops", "a", "b"]),
    st.text(st.sampled_from("ab~. é%,"), min_size=1, max_size=4).filter(lambda part: part not in (".", "..")),
).flatmap(lambda part: st.sampled_from([part, part + "~", part + "~~"]))
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@pytest.fixture(scope="module")
def layout() -> Layout:
    return layout_of(Settings())


def results_of(tables: FolderTables) -> set[str]:
    """The first part below the root of everything a folder's results consist of."""
    named = {name for name in vars(FolderTables) if isinstance(vars(FolderTables)[name], property)}
    paths = [getattr(tables, name) for name in named] + [tables.parts("step")]
    return {PurePosixPath(str(path)).relative_to(str(tables.root)).parts[0] for path in paths}


def test_every_name_of_a_folders_results_is_reserved() -> None:
    assert results_of(FolderTables(UPath("/r"))) <= RESULT_NAMES


@given(PATHS, PATHS)
def test_two_folders_never_share_a_place_for_results(one: str, other: str) -> None:
    assert (results_path(one) == results_path(other)) == (one == other)


@given(PATHS, PATHS)
def test_no_folders_results_lie_among_anothers(outer: str, inner: str) -> None:
    path = PurePosixPath(results_path(f"{outer}/{inner}")).relative_to(results_path(outer))
    assert path.parts[0].casefold() not in RESULT_NAMES


@pytest.mark.parametrize("path", ["2024", "segmentation", "2024/Weiße Nächte", "a/crops", "a/segmentation 2"])
def test_other_folders_keep_their_path(path: str) -> None:
    assert results_path(path) == path


def test_a_nested_folder_of_a_reserved_name_is_marked(layout: Layout) -> None:
    assert str(layout.folder_tables("a/segmentation").root).endswith("/target_processed/a/segmentation~")
    assert str(layout.folder("a/segmentation")).endswith("/target/a/segmentation")


@pytest.mark.parametrize("path", ["..", "a/../..", "/etc", "", "."])
def test_a_key_cannot_lead_out_of_the_roots(layout: Layout, path: str) -> None:
    with pytest.raises(UsageError, match="below the target root"):
        layout.folder(folder_key(path))
    with pytest.raises(UsageError, match="below the target root"):
        layout.folder_tables(folder_key(path))


def test_a_shards_tables_are_apart(layout: Layout) -> None:
    tables = layout.source("d+e")
    paths = [f("00001") for f in (tables.images, tables.embeddings, tables.rejects, tables.embedding_rejects)]
    assert len({str(path) for path in [*paths, tables.attempt("00001")]}) == 5
    assert all("/d+e/" in str(path) and "shard=00001" in str(path) for path in paths)


def test_crops_of_two_files_never_meet() -> None:
    box = (1, 2, 3, 4)
    names = [crop_name("a.jpg", 1, box), crop_name("a.png", 1, box), crop_name("a.jpg", 1, (1, 2, 3, 5))]
    assert names[0] == "a.jpg/001_1-2-3-4.jpg"
    assert len(set(names)) == 3
