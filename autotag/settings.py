"""Settings: `autotag.toml`, then `AUTOTAG_<SECTION>__<KEY>` from the environment. The only reader of the environment.

The directory of the settings file is the base of its relative paths. An unknown key or a value of the wrong
type is a `SettingsError` that names the key and the file, or the variable it came from.
"""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as EnvironmentValueError

from autotag.errors import SettingsError

PREFIX = "AUTOTAG_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
PROFILE_VARIABLE = f"{PREFIX}PROFILE"
DEFAULT_FILE = "autotag.toml"


class Section(BaseModel):
    """A table of the settings file: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paths(Section):
    """Roots: local paths or `s3://` URIs. Each part can be moved by its own key; empty means below `data`."""

    data: str = Field(default="data", description="root of everything below")
    source_shards: str = Field(default="", description="<data>/source/shards")
    source_tags: str = Field(default="", description="<data>/source/tags")
    source_processed: str = Field(default="", description="<data>/source/processed")
    reference: str = Field(default="", description="<data>/reference")
    target: str = Field(default="", description="<data>/target")
    target_processed: str = Field(default="", description="<data>/target_processed")
    catalog: str = Field(default="", description="<data>/catalog")
    runs: str = Field(default="", description="<data>/runs")
    model_cache: str = Field(
        default="", description="converted models; a local directory; default ~/.cache/autotag"
    )
    weights: str = Field(
        default="weights", description="where weight files are looked for; a local directory"
    )


class Source(Section):
    """The tagged archive."""

    first_shard: int = Field(default=0, ge=0, le=99_999, description="first partition")
    last_shard: int = Field(default=3, ge=0, le=99_999, description="last partition, included")
    max_partitions_per_run: int = Field(default=10, ge=1, description="shards a backfill gives to one run")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.last_shard < self.first_shard:
            raise ValueError(f"last_shard {self.last_shard} lies before first_shard {self.first_shard}")
        return self


class Models(Section):
    """Which models, and where they run."""

    detector: str = Field(
        default="starter", description="starter | whole | yolo:<weights> | sam:<weights> | fastsam:<weights>"
    )
    embedder: str = Field(
        default="starter", description="starter | open_clip:<arch>/<weights> | timm:<model>"
    )
    device: str = Field(default="cpu", description="cpu | cuda | cuda:<n>")
    half: bool = Field(default=False, description="16-bit floats on a GPU")
    detector_batch: int = Field(default=8, ge=1, description="images a detector call")
    embedder_batch: int = Field(default=32, ge=1, description="crops an embedder call")


class Regions(Section):
    """Which detections become crops."""

    min_area_px: int = Field(default=1024, ge=1, description="smaller boxes are dropped")
    score_threshold: float = Field(default=0.4, ge=0, le=1, description="weaker detections are dropped")
    max_regions: int = Field(default=8, ge=0, description="objects an image; the whole image comes on top")
    crop_long_edge_px: int = Field(
        default=1920, ge=32, le=65_500, description="saved crops are shrunk to this long edge"
    )
    crop_quality: int = Field(default=92, ge=1, le=100, description="JPEG quality of saved crops")


class Images(Section):
    """Limits on input images."""

    max_bytes: int = Field(default=200_000_000, ge=1, description="larger files are rejected unread")
    max_pixels: int = Field(
        default=178_956_970, ge=1, description="larger images are rejected before they are decoded"
    )
    min_side_px: int = Field(default=1, ge=1, description="smaller images are rejected")


class Compute(Section):
    """How the work is cut."""

    batch_images: int = Field(default=16, ge=1, description="images decoded, detected and embedded together")
    chunk_files: int = Field(
        default=64, ge=1, description="files of a target folder that travel to a worker together"
    )
    in_process_below: int = Field(
        default=2000,
        ge=0,
        description="a run over fewer images works in process: Ray would take longer to start than it saves",
    )
    max_attempts: int = Field(
        default=3, ge=1, description="times one image may kill a worker before it is rejected"
    )


class Ray(Section):
    """The engine."""

    address: str = Field(default="", description="an existing cluster (auto, ray://...); empty = a local one")
    num_cpus: int = Field(default=0, ge=0, description="cores of a local cluster; 0 = all")
    actors: int = Field(
        default=0, ge=0, description="worker processes; 0 = as many as the cluster's CPUs or GPUs allow"
    )
    cpus_per_actor: float = Field(
        default=1.0, gt=0, description="cores, also the threads a worker uses (at least one)"
    )
    gpus_per_actor: float = Field(default=0.0, ge=0, description="GPUs, fractions too")
    source_engine: Literal["actors", "data"] = Field(
        default="actors",
        description="how shards reach workers: actors that both source steps share, or Ray Data (a new pool a step)",
    )


class Index(Section):
    """The reference index."""

    factory: str = Field(default="", description="FAISS factory string; empty = chosen from rows and memory")
    memory_budget_mib: int = Field(default=4096, ge=1, description="the index must fit")
    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="where it is trained, filled and searched"
    )
    query_batch: int = Field(default=20_000, ge=1, description="queries a search call")
    probes: int = Field(default=500, ge=1, description="vectors the recall check asks for")
    loo_images: int = Field(default=500, ge=1, description="archive images the leave-one-out check tags")
    min_recall_at_10: float = Field(default=0.95, ge=0, le=1, description="below this the asset check warns")
    keep_versions: int = Field(default=3, ge=1, description="released versions kept")


class Tagging(Section):
    """The vote."""

    k: int = Field(default=10, ge=1, description="archive images that vote on an image")
    min_votes: int = Field(default=3, ge=1, description="distinct archive images that must vote for a tag")
    threshold: float = Field(
        default=0.44, ge=0, le=1, description="least score of a tag; found for the starter models"
    )
    min_similarity: float = Field(
        default=0.2, ge=-1, le=1, description="an image whose nearest neighbour is less alike gets no tags"
    )
    temperature: float = Field(
        default=0.08,
        gt=0,
        description="a voter less alike than the best by this has a share smaller by the factor e",
    )
    object_discount: float = Field(
        default=0.15,
        ge=0,
        description="taken from a similarity for each side that is an object, not a whole image",
    )
    rare_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="a tag needs at most this share of the images that have it; 1 = min_votes holds",
    )
    max_tags: int = Field(default=20, ge=1, description="tags an image")


class Target(Section):
    """Target folders and the sensor that watches them."""

    quiet_s: float = Field(
        default=15.0, ge=0, description="a folder is processed once nothing changed for this long"
    )
    sensor_interval_s: int = Field(default=15, ge=1, description="how often the sensor looks")


class Sheet(Section):
    """Contact sheets."""

    images: int = Field(default=24, ge=1, description="images on a sheet")
    tile_px: int = Field(default=220, ge=64, description="long edge of a tile")


class Settings(BaseSettings):
    """All settings, frozen. `Settings.load` is the way to get one."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__", validate_default=True
    )

    profile: str = "starter"
    paths: Paths = Paths()
    source: Source = Source()
    models: Models = Models()
    regions: Regions = Regions()
    images: Images = Images()
    compute: Compute = Compute()
    ray: Ray = Ray()
    index: Index = Index()
    tagging: Tagging = Tagging()
    target: Target = Target()
    sheet: Sheet = Sheet()

    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """The settings file these came from, absolute; None when none was found."""
        return self._file

    @property
    def base(self) -> Path:
        """Directory that relative paths start from."""
        return self._file.parent if self._file else Path.cwd()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes over the file, which arrives as init arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return (env_settings, init_settings)

    @classmethod
    def load(cls, config: str | Path | None = None) -> "Settings":
        """Read the settings file and the environment.

        Args:
            config: the file; without it `AUTOTAG_CONFIG`, then `autotag.toml` in the working directory,
                then the defaults.

        Raises:
            SettingsError: a named file that is not there, TOML that cannot be read, an unknown key, a wrong type.
        """
        _refuse_unknown_sections(set(cls.model_fields))
        file = _find_file(config)
        values = _read_toml(file) if file else {}
        values = _apply_profile(values, file)
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise SettingsError(_explain(error, file)) from error
        except EnvironmentValueError as error:
            raise SettingsError(_explain_variable(str(error), set(cls.model_fields))) from error
        settings._file = file
        return settings


PROFILES: dict[str, dict[str, dict[str, Any]]] = {
    "starter": {},
    "gpu": {
        "models": {
            "detector": "yolo:yolo11s.pt",
            "embedder": "open_clip:ViT-B-32/laion2b_s34b_b79k",
            "device": "cuda",
            "half": True,
            "detector_batch": 64,
            "embedder_batch": 256,
        },
        "compute": {"batch_images": 64, "in_process_below": 16},
        "ray": {"gpus_per_actor": 1.0, "cpus_per_actor": 4.0},
    },
}


def dagster_home(settings: Settings, data_root: str) -> str:
    """`DAGSTER_HOME`, or `<data>/.dagster` (below the settings file when the data root is no local path)."""
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return named
    local = str(settings.base / ".autotag") if "://" in data_root else data_root
    return str(Path(local) / ".dagster")


def export(name: str, value: str) -> None:
    """Set a variable for child processes, so that they read what this process read."""
    os.environ[name] = value


def refuse_telemetry() -> None:
    """Keep libraries from calling home, here and in child processes; a variable that is set already is left."""
    for name, value in (
        ("RAY_USAGE_STATS_ENABLED", "0"),
        ("YOLO_OFFLINE", "true"),
        ("YOLO_AUTOINSTALL", "false"),
        ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("DO_NOT_TRACK", "1"),
    ):
        os.environ.setdefault(name, value)


def user_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/autotag`, or `~/.cache/autotag`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autotag"


def _find_file(config: str | Path | None) -> Path | None:
    named = config or os.environ.get(CONFIG_VARIABLE)
    if named:
        file = Path(named).expanduser().resolve()
        if not file.is_file():
            where = "--config" if config else CONFIG_VARIABLE
            raise SettingsError(
                f"{file}: no such settings file; {where} names it: correct it, or leave it out"
            )
        return file
    file = Path.cwd() / DEFAULT_FILE
    return file if file.is_file() else None


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not valid TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror or error}") from error


def _apply_profile(values: dict[str, Any], file: Path | None) -> dict[str, Any]:
    """The file's own sections go over those of the profile it names."""
    own = values.pop("profiles", {})
    if not isinstance(own, dict) or not all(isinstance(sections, dict) for sections in own.values()):
        raise SettingsError(
            f"{file}: profiles: each profile is a table; write it like [profiles.mine.models]"
        )
    profiles: dict[str, dict[str, Any]] = {**PROFILES, **own}
    in_environment = os.environ.get(PROFILE_VARIABLE)
    name = in_environment if in_environment is not None else values.get("profile", "starter")
    if not isinstance(name, str) or name not in profiles:
        where = PROFILE_VARIABLE if in_environment is not None else f"{file}: profile"
        raise SettingsError(f"{where}: {name!r} is not known; known are {', '.join(sorted(profiles))}")
    merged: dict[str, Any] = {"profile": name, **profiles[name]}
    for key, value in values.items():
        below = merged.get(key)
        merged[key] = {**below, **value} if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _explain(error: ValidationError, file: Path | None) -> str:
    lines: list[str] = []
    for problem in error.errors():
        parts = [str(part) for part in problem["loc"]]
        variable = _set_variable(PREFIX + "__".join(parts))
        where = variable or f"{file or 'settings'}: {'.'.join(parts) or 'settings'}"
        text = "no such key" if problem["type"] == "extra_forbidden" else problem["msg"]
        lines.append(f"{where}: {text} (got {problem['input']!r})")
    return "\n".join(lines)


def _explain_variable(message: str, sections: set[str]) -> str:
    """A whole section in one variable has to be JSON; name the variable that is not."""
    named = next((section for section in sections if f'"{section}"' in message), "")
    variable = _set_variable(PREFIX + named) or "the environment"
    return f"{variable}: {message}; set single keys instead, like {PREFIX}{named.upper() or 'MODELS'}__<KEY>"


def _set_variable(name: str) -> str:
    """The variable's name as it stands in the environment, whatever its case; empty when it is not set."""
    return next((found for found in os.environ if found.upper() == name.upper()), "")


def _refuse_unknown_sections(sections: set[str]) -> None:
    for name in os.environ:
        section, nested, _ = name.upper().removeprefix(PREFIX).partition("__")
        if name.upper().startswith(PREFIX) and nested and section.lower() not in sections:
            known = ", ".join(sorted(sections - {"profile"}))
            raise SettingsError(f"{name}: no such section {section.lower()!r}; known are {known}")
