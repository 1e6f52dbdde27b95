"""Looking into a ledger makes none."""

from pathlib import Path

import pytest

from autotag.errors import BadLedgerError, MissingInputError
from autotag.review.ledger.existing import existing_ledger
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.roots import layout_of


def named(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"review": settings.review.model_copy(update={"ledger": url})})


@pytest.mark.parametrize("name", ["", "typo.sqlite"], ids=["the usual place", "a place of the settings"])
def test_a_ledger_that_is_not_there_is_none_and_is_not_made(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    settings = named(settings, f"sqlite:///{tmp_path / name}" if name else "")
    with existing_ledger(settings, layout_of(settings)) as ledger:
        assert ledger is None
    assert not list(tmp_path.rglob("*.sqlite"))


def test_one_that_is_there_is_open(settings: Settings) -> None:
    layout = layout_of(settings)
    Path(layout.ledger.path).parent.mkdir(parents=True, exist_ok=True)
    TagLedger.open(ledger_url(settings, layout)).close()
    with existing_ledger(settings, layout) as ledger:
        assert ledger is not None
        assert ledger.position() == 0


def test_a_file_of_something_else_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "other.sqlite").write_text("something else")
    settings = named(settings, f"sqlite:///{tmp_path / 'other.sqlite'}")
    with pytest.raises(BadLedgerError), existing_ledger(settings, layout_of(settings)):
        pass


def test_a_data_root_without_a_place_for_one_has_none() -> None:
    settings = Settings.load(None, {"paths.data": "memory://existing-ledger/data"})
    with existing_ledger(settings, layout_of(settings)) as ledger:
        assert ledger is None


def test_what_is_missing_inside_the_block_is_told(settings: Settings) -> None:
    with pytest.raises(MissingInputError, match="theirs"), existing_ledger(settings, layout_of(settings)):
        raise MissingInputError("theirs")
