"""Settings: `autotag.toml`, then `AUTOTAG_<SECTION>__<KEY>` from the environment. The only reader of the environment."""

from autotag.settings.document import Settings
from autotag.settings.environment import CONFIG_VARIABLE, export, refuse_telemetry
from autotag.settings.file import DEFAULT_FILE
from autotag.settings.places import dagster_home, user_cache_dir
from autotag.settings.sections import Paths

__all__ = [
    "CONFIG_VARIABLE",
    "DEFAULT_FILE",
    "Paths",
    "Settings",
    "dagster_home",
    "export",
    "refuse_telemetry",
    "user_cache_dir",
]
