"""Opening the catalog that the settings name."""

import subprocess
import sys
from pathlib import Path

import pytest

from autotag.catalog.lance.catalog import LanceCatalog
from autotag.catalog.open import open_catalog
from autotag.errors import MissingInputError, ModelMismatchError
from autotag.settings import Settings
from autotag.storage.roots import layout_of
from autotag_tests.catalog.made_entries import DIM, MODEL, an_image


class TestOpenCatalog:
    def test_lancedb_below_the_catalogs_root_a_directory_a_model(self, settings: Settings) -> None:
        layout = layout_of(settings)
        catalog = open_catalog(settings, layout, MODEL, DIM)
        catalog.upsert([an_image()])
        assert isinstance(catalog, LanceCatalog)
        assert catalog.capabilities.exact_below == settings.catalog.index_from
        assert (layout.catalog / MODEL).exists()
        assert open_catalog(settings, layout, MODEL, DIM, create=False).size().images == 1

    def test_a_reader_is_told_that_there_is_none(self, settings: Settings) -> None:
        layout = layout_of(settings)
        with pytest.raises(MissingInputError, match="catalog a folder first"):
            open_catalog(settings, layout, MODEL, DIM, create=False)
        assert not layout.catalog.exists()

    def test_a_reader_of_another_model_is_told_which_there_is(self, settings: Settings) -> None:
        layout = layout_of(settings)
        open_catalog(settings, layout, "older-models", DIM)
        with pytest.raises(ModelMismatchError, match=r"is of older-models.*\[models\]"):
            open_catalog(settings, layout, MODEL, DIM, create=False)

    def test_two_models_have_a_catalog_each(self, settings: Settings) -> None:
        layout = layout_of(settings)
        open_catalog(settings, layout, MODEL, DIM).upsert([an_image()])
        assert open_catalog(settings, layout, "other", DIM + 1).size().images == 0

    def test_no_store_is_imported_before_it_is_opened(self) -> None:
        program = "import autotag.catalog.open, sys; sys.exit(any(m in sys.modules for m in ('lancedb', 'opensearchpy')))"
        here = Path(__file__).parents[2]
        assert subprocess.run([sys.executable, "-c", program], cwd=here, check=False).returncode == 0
