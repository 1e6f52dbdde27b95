"""The settings as a whole: read from file and environment, or from the record of a run.

The directory of the settings file is the base of its relative paths. An unknown key or a value of the wrong
type is a `SettingsError` that names the key and the file, or the variable it came from.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as EnvironmentValueError

from autotag.errors import SettingsError
from autotag.settings.environment import PREFIX, refuse_unknown_sections
from autotag.settings.file import find_file, read_toml
from autotag.settings.messages import explain, explain_overrides, explain_types, explain_variable
from autotag.settings.profiles import apply_profile
from autotag.settings.sections import (
    Catalog,
    Compute,
    Discovery,
    Images,
    Index,
    Labels,
    Models,
    Paths,
    Ray,
    Regions,
    Review,
    Section,
    Serve,
    Sheet,
    Sidecars,
    Source,
    Tagging,
    Target,
    Thresholds,
)


class Settings(Section):
    """All settings, frozen. `Settings.load` is the way to get them."""

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
    labels: Labels = Labels()
    thresholds: Thresholds = Thresholds()
    review: Review = Review()
    discovery: Discovery = Discovery()
    sidecars: Sidecars = Sidecars()
    catalog: Catalog = Catalog()
    serve: Serve = Serve()

    _file: Path | None = PrivateAttr(default=None)
    _base: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """The settings file these came from, absolute; None when none was found."""
        return self._file

    @property
    def base(self) -> Path:
        """Directory that relative paths start from."""
        return self._base or Path.cwd()

    @classmethod
    def load(cls, config: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> "Settings":
        """Read the settings file, the environment over it, and overrides over both.

        Args:
            config: the file; without it `AUTOTAG_CONFIG`, then `autotag.toml` in the working directory,
                then the defaults.
            overrides: values by key, like `{"labels.topk": 5}`; relative paths start where those of the file do.

        Raises:
            SettingsError: a named file that is not there, TOML that cannot be read, an unknown key, a wrong type.
        """
        sections = set(cls.model_fields) - {"profile"}
        refuse_unknown_sections(sections)
        file = find_file(config)
        values = apply_profile(read_toml(file) if file else {}, file)
        if file:
            _refuse_wrong_types(values, file)
        try:
            settings = cls(**dict(_FileAndEnvironment(**values)))
        except ValidationError as error:
            raise SettingsError(explain(error, file, Settings)) from error
        except EnvironmentValueError as error:
            raise SettingsError(explain_variable(str(error), sections)) from error
        if overrides:
            settings = settings._with(overrides)
        settings._file = file
        settings._base = file.parent if file else Path.cwd()
        return settings

    def _with(self, overrides: Mapping[str, Any]) -> "Settings":
        values = self.model_dump()
        for key, value in overrides.items():
            section, _, name = key.partition(".")
            if not name or not isinstance(values.setdefault(section, {}), dict):
                raise SettingsError(f"{key}: no such key of a section; write it like labels.topk")
            values[section][name] = value
        try:
            return type(self)(**values)
        except ValidationError as error:
            raise SettingsError(explain_overrides(error, Settings)) from error

    def as_record(self) -> dict[str, Any]:
        """Plain values that `from_record` makes the same settings of, wherever it is called.

        A password in `review.ledger` is among them, as it is: keep them where only their owner reads.
        """
        return {
            "file": str(self.file or ""),
            "base": str(self.base),
            "settings": self.model_dump(mode="json"),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Settings":
        """The settings that were recorded; file and environment are not looked at.

        Raises:
            ValueError: no such record, or one of a release with other keys.
        """
        try:
            settings = cls(**record["settings"])
            settings._file = Path(record["file"]) if record["file"] else None
            settings._base = Path(record["base"])
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise ValueError("; ".join(problems)) from error
        except (KeyError, TypeError) as error:
            raise ValueError(f"no record of settings: {error!r}") from error
        return settings

    def changed_keys(self, other: "Settings") -> list[str]:
        """Keys like `models.detector` whose values differ, in the order of the sections."""
        mine, theirs = self._flat(), other._flat()
        return [key for key, value in mine.items() if theirs[key] != value]

    def _flat(self) -> dict[str, Any]:
        """Values by key; where relative paths start is one of them."""
        flat: dict[str, Any] = {"base": self.base, "profile": self.profile}
        for name, section in self:
            if isinstance(section, Section):
                flat |= {f"{name}.{key}": value for key, value in section}
        return flat


def _refuse_wrong_types(values: dict[str, Any], file: Path) -> None:
    """TOML has types, so "2" is no integer there; in the environment everything is text. All else is judged later."""
    try:
        Settings.model_validate(values, strict=True)
    except ValidationError as error:
        if told := explain_types(error, file):
            raise SettingsError(told) from error


class _FileAndEnvironment(BaseSettings, Settings):  # pyright: ignore[reportIncompatibleVariableOverride]
    """Reads the environment over the file, which arrives as arguments."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__", validate_default=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings
        return (env_settings, init_settings)
