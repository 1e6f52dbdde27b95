"""What is deployed on Ray Serve, by the settings; nothing is started."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from autotag.errors import SettingsError
from autotag.serving.api.ray_replicas import UploadModels
from autotag.serving.api.ray_serve import Arguments, app, application, deployment
from autotag.settings import Settings
from autotag_tests.conftest import SETTINGS_TOML


def settings_with(tmp_path: Path, more: str) -> Settings:
    file = tmp_path / "other.toml"
    file.write_text(SETTINGS_TOML + more, encoding="utf-8")
    return Settings.load(file)


def test_replicas_take_their_part_of_a_gpu_and_grow_within_the_settings(tmp_path: Path) -> None:
    settings = settings_with(
        tmp_path, "[serve]\nmin_replicas = 2\nmax_replicas = 3\nmax_waiting = 7\nbatch = 5\n"
    )
    made = deployment(UploadModels, settings, 10, {"num_cpus": 1.5, "num_gpus": 0.25})
    assert made.name == "UploadModels"
    assert {**made.ray_actor_options} | {"num_cpus": 1.5, "num_gpus": 0.25} == made.ray_actor_options
    config = made._deployment_config
    assert config.autoscaling_config is not None
    scaling = config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas, scaling.target_ongoing_requests) == (2, 3, 5)
    assert (config.max_ongoing_requests, config.max_queued_requests) == (10, 7)


def test_more_replicas_at_least_than_at_most_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="max_replicas 2 is less than min_replicas 3"):
        settings_with(tmp_path, "[serve]\nmin_replicas = 3\nmax_replicas = 2\n")


def test_the_application_is_built_without_a_cluster(settings: Settings) -> None:
    import ray

    assert application(settings) is not None
    assert not ray.is_initialized()


def test_the_settings_are_those_of_the_file_given(settings_file: Path, tmp_path: Path) -> None:
    assert app(Arguments(config=str(settings_file))) is not None
    with pytest.raises(SettingsError, match="no such settings file"):
        app(Arguments(config=str(tmp_path / "missing.toml")))


def test_the_settings_are_those_of_the_environment_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOTAG_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(SettingsError, match="AUTOTAG_CONFIG"):
        app(Arguments())


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Arguments.model_validate({"conifg": "x"})
