"""What Streamlit runs: `autotag studio` starts it with the settings file as its argument."""

from autotag.serving.studio.page import page

page()
