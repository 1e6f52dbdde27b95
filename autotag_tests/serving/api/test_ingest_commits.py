"""Any sequence of changes, in any groups, leaves what a plain dictionary would hold."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.catalog_entries import INGESTED_KEY, CatalogImage, image_id
from autotag.errors import MissingInputError
from autotag.models.fakes import DIM
from autotag.serving.api.ingest_commits import Arrival, Commits, Committed, Departure
from autotag.serving.api.ingested_files import IngestedFiles
from autotag.settings import Settings
from autotag.storage.file_names import ingested_name
from autotag.storage.roots import layout_of
from autotag_tests.serving.api.ingesting import MoodyCatalog

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VOTED = ("voted",)


@dataclass(frozen=True)
class Step:
    """What is done to one of three images."""

    number: int
    kind: str
    tags: tuple[str, ...] = ()


STEPS = st.builds(
    Step,
    st.integers(0, 2),
    st.sampled_from(["send", "tag", "remove"]),
    st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple),
)


def image(number: int) -> CatalogImage:
    media = f"{number:064x}"
    file = ingested_name(media, "PNG")
    vector = np.eye(DIM, dtype=np.float32)[number]
    return CatalogImage(
        image_id(INGESTED_KEY, file), media, INGESTED_KEY, file, 4, 3, VOTED, None, NOW, vector
    )


def change(step: Step, files: IngestedFiles) -> Arrival | Departure:
    own = image(step.number)
    if step.kind == "remove":
        return Departure(own)
    return Arrival(own, files.stage(b"x", own.file) if step.kind == "send" else None, step.tags)


class Model:
    """What is to be there: the tags of people, by image."""

    def __init__(self) -> None:
        self.there: dict[int, tuple[str, ...]] = {}

    def answer(self, step: Step) -> tuple[bool, tuple[str, ...]] | None:
        """Whether it is changed, and its tags; None for a refusal."""
        was = self.there.get(step.number)
        if step.kind == "remove":
            self.there.pop(step.number, None)
            return was is not None, ()
        if step.kind == "tag" and was is None:
            return None
        tags = self.there[step.number] = tuple(dict.fromkeys([*(was or ()), *step.tags]))
        return was is None, tags


@hypothesis.settings(max_examples=40)
@given(st.lists(st.lists(STEPS, min_size=1, max_size=6), max_size=5))
def test_any_changes_in_any_groups_come_to_the_same(groups: list[list[Step]]) -> None:
    with TemporaryDirectory() as directory:
        settings_file = Path(directory) / "autotag.toml"
        settings_file.touch()
        settings = Settings.load(settings_file)
        files, catalog = IngestedFiles(layout_of(settings)), MoodyCatalog("model")
        commits, model = Commits(files, catalog), Model()
        for steps in groups:
            before = len(catalog.writes)
            answers = commits.run([change(each, files) for each in steps])
            expected = [model.answer(each) for each in steps]
            for step, found, told in zip(steps, answers, expected, strict=True):
                if told is None:
                    assert isinstance(found, MissingInputError)
                    continue
                assert isinstance(found, Committed), found
                assert found.is_changed == told[0]
                assert step.kind == "remove" or set(told[1]) <= set(found.image.tags)
            kinds = [each.kind == "remove" for each in steps]
            assert len(catalog.writes) - before <= 1 + sum(a != b for a, b in pairwise(kinds))
        assert {each.file: each.tags for each in catalog.page()} == {
            image(number).file: (*tags, *VOTED) for number, tags in model.there.items()
        }
        assert files.names() == catalog.files()
        assert not [each for each in Path(files.root.path).glob("*.tmp")]
        tagged = {image(number).media_id for number, tags in model.there.items() if tags}
        assert {each.stem for each in Path(files.root.path).glob("*.json")} == tagged
