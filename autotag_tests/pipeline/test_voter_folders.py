"""Who gives which voter: found step by step, it is what a look at everything finds."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from autotag.errors import PermanentError
from autotag.pipeline import voter_folders
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.voter_folders import VoterFolders

IMAGES, KEYS = "abcdef", ["f0", "f1", "f2", "f3"]
Folder = tuple[str, set[str]]
"""Model, and images."""

Change = set[str] | tuple[str, Folder | None]

changes = st.one_of(
    st.sets(st.sampled_from(IMAGES)),  # these are approved now
    st.tuples(
        st.sampled_from(KEYS),
        st.none()
        | st.tuples(st.sampled_from(["mine", "mine", "other", "damaged"]), st.sets(st.sampled_from(IMAGES))),
    ),
)


def owners_of_all(folders: dict[str, Folder], approved: set[str]) -> dict[str, list[str]]:
    """By looking at everything."""
    left, found = set(approved), dict[str, list[str]]()
    for key in sorted(folders):
        model, images = folders[key]
        if model == "mine" and images & left:
            found[key] = sorted(images & left)
            left -= images
    return found


class Disk:
    """Folders, and which of them were looked at."""

    def __init__(self, plan: PipelinePlan, patch: pytest.MonkeyPatch) -> None:
        self.mine = plan.model_id
        self.folders: dict[str, Folder] = {}
        self.times: dict[str, int] = {}
        self.looked: list[str] = []
        patch.setattr(voter_folders, "_model_of", lambda plan, key: self._model_of(key))
        patch.setattr(voter_folders, "_those_of", lambda plan, key, media: self._those_of(key, media))

    def change(self, key: str, folder: Folder | None) -> None:
        self.times[key] = self.times.get(key, 0) + 1
        self.folders.pop(key, None)
        if folder is not None:
            self.folders[key] = folder

    @property
    def versions(self) -> dict[str, tuple[str, str]]:
        return {key: (str(self.times[key]), "i") for key in sorted(self.folders)}

    def _model_of(self, key: str) -> str:
        if self.folders[key][0] == "damaged":
            raise PermanentError(f"{key} is damaged")
        return self.mine if self.folders[key][0] == "mine" else "another"

    def _those_of(self, key: str, media: list[str]) -> set[str]:
        self.looked.append(key)
        return self.folders[key][1] & set(media)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the plan is only asked for its model
@given(steps=st.lists(changes, max_size=12))
def test_step_by_step_it_is_found_what_a_look_at_everything_finds(
    plan: PipelinePlan, tmp_path_factory: pytest.TempPathFactory, steps: list[Change]
) -> None:
    path = UPath(tmp_path_factory.mktemp("known") / "known.json")
    approved = set[str]()
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(plan, patch)
        for number, step in enumerate(steps):
            known = VoterFolders.read(path)
            if isinstance(step, set):
                approved = step
            else:
                disk.change(*step)
            known.approve(approved, number)
            owners = known.find_owners(plan, disk.versions, {})
            assert owners.media == owners_of_all(disk.folders, approved)
            assert owners.left == approved - {each for some in owners.media.values() for each in some}
            known.write(path)
            disk.looked.clear()
            assert known.find_owners(plan, disk.versions, {}) == owners
            assert disk.looked == []


def test_folders_after_the_last_owner_are_not_looked_at(
    plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, known = Disk(plan, monkeypatch), VoterFolders()
    for key in KEYS:
        disk.change(key, ("mine", {"a"} if key < "f2" else {"b"}))
    known.approve({"a"}, 1)
    known.find_owners(plan, disk.versions, {})
    assert disk.looked == ["f0"]
    known.approve({"a", "b"}, 2)
    known.find_owners(plan, disk.versions, {})
    assert disk.looked == ["f0", "f0", "f1", "f2"]


def test_what_is_known_is_written_once(tmp_path: Path) -> None:
    path, known = UPath(tmp_path / "known.json"), VoterFolders()
    known.approve(set("ab"), 3)
    known.write(path)
    written = path.stat().st_mtime_ns
    VoterFolders.read(path).write(path)
    assert path.stat().st_mtime_ns == written
    assert VoterFolders.read(path).approved == ["a", "b"]
