from pathlib import Path

import pytest
import streamlit as st

from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag_tests.serving.studio.grids import Desk


@pytest.fixture
def desk(settings_file: Path, settings: Settings, plan: PipelinePlan) -> Desk:
    """A folder without images yet, which tabs can show."""
    st.cache_resource.clear()
    st.cache_data.clear()
    return Desk(settings_file, plan, settings)
