"""deploy/compose.yaml: valid, limited, watched, closed to the network, and free of secrets."""

import re
import shutil
from pathlib import Path

import pytest

from autotag_tests.deploy.files import DEPLOY, from_system, in_environment, read_yaml, run, services

NAMES = sorted(services())
OURS = [name for name in NAMES if services()[name]["image"] == "autotag:local"]
LASTING = [name for name in NAMES if services()[name]["restart"] != "no"]
ENVIRONMENT = "POSTGRES_PASSWORD=abc\nGRAFANA_PASSWORD=abc\nRAY_TOKEN=abc\nAUTOTAG_DATA=/srv/autotag\n"


def test_it_holds_what_the_deployment_is_made_of() -> None:
    assert set(NAMES) == {
        "api", "dagster-code", "dagster-daemon", "dagster-setup", "dagster-webserver",
        "grafana", "opensearch", "postgres", "prometheus", "ray-head",
    }  # fmt: skip


def test_it_follows_the_schema_of_compose_files() -> None:
    checked = run(
        in_environment("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "compose.yaml"
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_yaml_files_are_tidy() -> None:
    checked = run(in_environment("yamllint"), "--strict", "-c", ".yamllint.yaml", ".")
    assert checked.returncode == 0, checked.stdout


def compose_command() -> list[str]:
    """The client, of either generation; neither needs an engine to read a file."""
    if (docker := shutil.which("docker")) and run(docker, "compose", "version").returncode == 0:
        return [docker, "compose"]
    return [from_system("docker-compose", "docker-compose")]


def test_the_client_reads_it_with_the_variables_of_the_example(tmp_path: Path) -> None:
    command = compose_command()
    filled = tmp_path / "env"
    filled.write_text((DEPLOY / ".env.example").read_text(encoding="utf-8") + ENVIRONMENT, encoding="utf-8")
    checked = run(*command, "--env-file", filled, "-f", "compose.yaml", "config")
    assert checked.returncode == 0, checked.stderr
    assert "/srv/autotag:/data" in checked.stdout or "source: /srv/autotag" in checked.stdout


def test_the_client_refuses_it_without_a_password(tmp_path: Path) -> None:
    command = compose_command()
    checked = run(*command, "--env-file", DEPLOY / ".env.example", "-f", "compose.yaml", "config")
    assert checked.returncode != 0
    assert "POSTGRES_PASSWORD" in checked.stderr or "GRAFANA_PASSWORD" in checked.stderr


def test_the_example_names_every_variable_and_no_secret() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    given = dict(
        line.split("=", 1)
        for line in (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
        if "=" in line and not line.startswith("#")
    )
    assert used == set(given) - {"COMPOSE_PROJECT_NAME"}
    assert [name for name in given if ("PASSWORD" in name or "TOKEN" in name) and given[name]] == []


@pytest.mark.parametrize("name", NAMES)
def test_cores_and_memory_of_each_container_are_limited(name: str) -> None:
    limits = services()[name]["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory"}


@pytest.mark.parametrize("name", LASTING)
def test_each_container_that_stays_is_watched_and_started_again(name: str) -> None:
    service = services()[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"interval", "timeout", "retries", "start_period"} < set(service["healthcheck"])


@pytest.mark.parametrize("name", NAMES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in services()[name].get("ports", []))


def test_what_takes_orders_from_anyone_is_not_published() -> None:
    published = {name for name in NAMES if services()[name].get("ports")}
    assert published == {"api", "dagster-webserver", "grafana", "prometheus"}


@pytest.mark.parametrize("name", OURS)
def test_our_containers_run_as_the_owner_of_the_data_without_privileges(name: str) -> None:
    service = services()[name]
    assert service["user"] == "${AUTOTAG_UID:-1000}:${AUTOTAG_GID:-1000}"
    assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", NAMES)
def test_no_container_gains_privileges(name: str) -> None:
    assert services()[name]["security_opt"] == ["no-new-privileges:true"]


def test_images_of_others_are_pinned() -> None:
    images = {services()[name]["image"] for name in NAMES} - {"autotag:local"}
    assert all(re.search(r":v?\d", image) for image in images)


@pytest.mark.parametrize("name", NAMES)
def test_a_container_waits_until_what_it_needs_is_healthy(name: str) -> None:
    for needed, how in services()[name].get("depends_on", {}).items():
        expected = (
            {"service_healthy", "service_started"}
            if needed in LASTING
            else {"service_completed_successfully"}
        )
        assert how["condition"] in expected


def test_mounted_files_are_there() -> None:
    mounted = {
        volume.split(":")[0]
        for name in NAMES
        for volume in services()[name].get("volumes", [])
        if volume.startswith(".")
    }
    assert mounted
    assert [each for each in mounted if not (DEPLOY / each).exists()] == []


def test_volumes_are_declared() -> None:
    named = {
        volume.split(":")[0]
        for name in NAMES
        for volume in services()[name].get("volumes", [])
        if volume[0] not in ".$/"
    }
    assert named == set(read_yaml("compose.yaml")["volumes"])


def test_the_setup_limits_every_pool() -> None:
    from autotag.cli.up import POOLS

    assert f"for pool in {' '.join(POOLS)};" in services()["dagster-setup"]["command"][-1]


@pytest.mark.parametrize("name", ["api", "dagster-code"])
def test_models_use_as_many_threads_as_the_container_has_cores(name: str) -> None:
    service = services()[name]
    assert service["environment"]["AUTOTAG_RAY__NUM_CPUS"] == service["deploy"]["resources"]["limits"]["cpus"]
    assert service["environment"]["OMP_NUM_THREADS"] == service["deploy"]["resources"]["limits"]["cpus"]


@pytest.mark.parametrize("name", ["ray-head", "dagster-code"])
def test_ray_lets_in_who_has_the_token(name: str) -> None:
    environment = services()[name]["environment"]
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_AUTH_TOKEN"] == "${RAY_TOKEN:?see .env.example}"
