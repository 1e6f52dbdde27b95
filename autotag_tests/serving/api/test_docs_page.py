"""The page of the API: everything on it comes from here, and it may load nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from autotag.serving.api import docs_page
from autotag.serving.api.docs_page import ASSETS, PAGE, POLICY
from autotag_tests.end_to_end.conftest import FLAGS, browser_program
from autotag_tests.serving.api.served import Served

__all__ = ["browser_program"]  # the fixture


def test_the_page_and_all_it_loads_are_served(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-security-policy"] == POLICY
    for address in re.findall(r'(?:src|href)="([^"]+)"', PAGE):
        assert "//" not in address
        assert client.get(f"/{address}").status_code == 200, address


@pytest.mark.parametrize("name", ASSETS)
def test_files_have_the_type_that_browsers_insist_on(client: TestClient, name: str) -> None:
    answer = client.get(f"/docs/assets/{name}")
    assert answer.headers["content-type"].partition(";")[0] == ASSETS[name]
    assert len(answer.content) > 500


@pytest.mark.parametrize("name", ["__init__.py", "..%2f__init__.py", "%2e%2e", "x", "../main.py"])
def test_nothing_else_of_the_package_is(client: TestClient, name: str) -> None:
    assert client.get(f"/docs/assets/{name}").status_code == 404


def test_the_script_asks_no_validator_of_another_site() -> None:
    assert "validatorUrl: null" in docs_page.SCRIPT
    assert "://" not in docs_page.SCRIPT


@pytest.fixture
def served(settings_file: Path) -> Iterator[Served]:
    with Served(settings_file) as server:
        yield server


@pytest.mark.slow
def test_a_browser_shows_it_tries_a_search_and_asks_nobody_else(
    served: Served, browser_program: str, tmp_path: Path
) -> None:
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    said: list[str] = []
    here = f"http://127.0.0.1:{served.port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_program, args=FLAGS)
        page = browser.new_page(viewport={"width": 1300, "height": 1500})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(here)
        search = page.locator(".opblock", has=page.get_by_text("/search/text", exact=True))
        search.get_by_role("button").first.click(timeout=60_000)
        search.get_by_placeholder("q", exact=True).fill("red")
        search.get_by_role("button", name="Execute").click()
        search.locator(".live-responses-table", has_text="processing_time_ms").wait_for(timeout=60_000)
        page.screenshot(path=tmp_path / "docs.png")
        browser.close()
    assert said == []
    assert all(address.startswith(here) or address.startswith("data:") for address in asked)
    assert f"{here}/openapi.json" in asked
