"""deploy/autotag.toml loads, and says of the containers what compose.yaml says of them."""

import pytest

from autotag.settings import Settings
from autotag_tests.deploy.files import DEPLOY, read_yaml, services


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Settings:
    ours = {
        name: value for name, value in services()["api"]["environment"].items() if name.startswith("AUTOTAG_")
    }
    for name, value in ours.items():
        monkeypatch.setenv(name, value.replace("${POSTGRES_PASSWORD:?see .env.example}", "abc"))
    return Settings.load(DEPLOY / "autotag.toml")


def test_every_key_of_the_file_is_a_setting_that_it_changes(deployed: Settings) -> None:
    import tomllib

    written = tomllib.loads((DEPLOY / "autotag.toml").read_text(encoding="utf-8"))
    keys = {f"{section}.{key}" for section, values in written.items() for key in values}
    changed = set(deployed.changed_keys(Settings()))
    assert keys - changed == {
        "source.first_shard",
        "source.last_shard",
    }  # shown, for they are yours to change


def test_the_ledger_is_the_database_that_postgres_makes(deployed: Settings) -> None:
    from sqlalchemy import make_url

    url = make_url(deployed.review.ledger)
    assert (url.drivername, url.host, url.password) == ("postgresql+psycopg", "postgres", "abc")
    assert f"CREATE DATABASE {url.database};" in (DEPLOY / "postgres" / "databases.sql").read_text(
        encoding="utf-8"
    )
    assert url.username == services()["postgres"]["environment"]["POSTGRES_USER"]


def test_addresses_name_services(deployed: Settings) -> None:
    from urllib.parse import urlsplit

    for address in (deployed.catalog.url, deployed.ray.address, deployed.review.ledger):
        assert urlsplit(address).hostname in services()
    assert (
        f"--ray-client-server-port={urlsplit(deployed.ray.address).port}" in services()["ray-head"]["command"]
    )


def test_the_api_listens_where_compose_publishes_it(deployed: Settings) -> None:
    assert deployed.serve.host == "0.0.0.0"
    assert services()["api"]["ports"] == [f"127.0.0.1:{deployed.serve.port}:{deployed.serve.port}"]


def test_all_data_lies_on_the_mounted_disk(deployed: Settings) -> None:
    assert any(volume.endswith(":/data") for volume in services()["api"]["volumes"])
    paths = (deployed.paths.data, deployed.paths.model_cache, deployed.paths.weights, deployed.labels.file)
    assert all(path == "/data" or path.startswith("/data/") for path in paths)


def test_dagster_runs_as_it_does_without_containers() -> None:
    from pathlib import Path

    import yaml

    import autotag.defs

    package = Path(autotag.defs.__file__).parent / "instance.yaml"
    deployed = read_yaml("dagster.yaml")
    assert set(deployed.pop("storage")) == {"postgres"}
    assert deployed == yaml.safe_load(package.read_text(encoding="utf-8"))
