"""Searches over HTTP: what is found, what is refused and how, and what happens while the catalog is away."""

import time
from pathlib import Path

import pytest
from httpx import Response
from starlette.testclient import TestClient

from autotag.errors import CatalogUnavailableError
from autotag.serving.api.service import SearchService
from autotag_tests.conftest import Folders
from autotag_tests.search.catalogs import colour_images
from autotag_tests.serving.api.catalogued import catalogued, colours

ALL = {"min_score": -1, "k": 100}


@pytest.fixture
def images(service: SearchService, folders: Folders) -> dict[str, str]:
    """Ids by file: eight images of four colours in a folder, two more in one below it."""
    made = catalogued(service, folders, "trips", colours(8), tags=("trip",))
    below = catalogued(
        service, folders, "trips/2024", {f"x{name}": data for name, data in colours(2).items()}
    )
    return {each.file: each.image_id for each in [*made, *below]}


@pytest.fixture
def no_purple(service: SearchService) -> None:
    """200 images of ten colours, there before the application starts."""
    service.catalog.upsert(colour_images(without=["purple"]))


def files(answer: dict) -> list[str]:
    return [hit["file"] for hit in answer["hits"]]


def asked(client: TestClient, path: str, body: object = None, **params: object) -> dict:
    answer = client.post(path, json=body) if body is not None else client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client: TestClient, path: str, body: object = None, **params: object) -> tuple[int, str]:
    answer = client.post(path, json=body) if body is not None else client.get(path, params=params)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["detail"]


def test_words_find_what_they_describe_with_scores_boxes_and_links(client: TestClient, images: dict) -> None:
    answer = asked(client, "/search/text", q="red", k=3, min_score=-1)
    assert {file[:3] for file in files(answer)} <= {"red", "xre"}
    hit = answer["hits"][0]
    assert hit["image_id"] == images[hit["file"]]
    assert hit["folder"] in ("trips", "trips/2024")
    assert hit["link"] == f"/images/{hit['image_id']}"
    assert hit["thumbnail"] == f"/images/{hit['image_id']}/thumbnail"
    region = hit["regions"][0]
    assert (region["region_index"], region["class_name"]) == (1, "red")
    assert region["crop"] == f"{hit['link']}/crops/1"
    assert region["score"] == hit["score"] == answer["best_score"]
    assert answer["cut"] == -1
    assert not answer["abstained"]
    assert answer["processing_time_ms"] > 0


def test_pages_cover_the_answer_once(client: TestClient, images: dict) -> None:
    whole = files(asked(client, "/search/text", q="red", **ALL))
    seen: list[str] = []
    after = ""
    while True:
        answer = asked(client, "/search/text", q="red", min_score=-1, k=3, after=after)
        seen += files(answer)
        after = answer["next"]
        if not after:
            break
    assert seen == whole
    assert len(seen) == len(images) == 10


def test_filters_hold_in_every_search(client: TestClient, images: dict) -> None:
    below = asked(client, "/search/text", q="red", folder="/trips/2024/", **ALL)
    assert set(files(below)) == {"xred0.png", "xgreen1.png"}
    tagged = asked(client, "/search/text", q="red", tags=["trip"], **ALL)
    assert len(files(tagged)) == 8
    blue = asked(client, "/search/hybrid", {"text_query": "red", "classes": ["blue"], **ALL})
    assert {file[:4] for file in files(blue)} == {"blue"}
    dated = asked(
        client, "/search/hybrid", {"date_range": {"since": "2024-01-03", "until": "2024-01-05T00:00:00Z"}}
    )
    assert files(dated) == ["yellow3.png", "blue2.png"]
    assert all(hit["score"] is None for hit in dated["hits"])


def test_filters_that_nothing_passes_give_an_answer_without_hits(client: TestClient, images: dict) -> None:
    nothing = {"hits": [], "best_score": None, "abstained": False, "next": ""}
    for filters in ({"folder": "nowhere"}, {"tags": ["none"]}, {"classes": ["zebra"], "min_confidence": 1}):
        for path, words in (("hybrid", "text_query"), ("objects", "text")):
            answer = asked(client, f"/search/{path}", {words: "red", **filters})
            assert {name: answer[name] for name in nothing} == nothing
    assert asked(client, "/search/hybrid", {"folder": "nowhere"})["hits"] == []


def test_objects_come_with_the_boxes_that_match(client: TestClient, images: dict) -> None:
    answer = asked(client, "/search/objects", {"text": "red", "k": 2, "min_score": 0.5})
    for hit in answer["hits"]:
        assert [region["class_name"] for region in hit["regions"]] == ["red"]
        x0, y0, x1, y1 = hit["regions"][0]["box_xyxy_px"]
        assert 0 <= x0 < x1 <= hit["width"]
        assert 0 <= y0 < y1 <= hit["height"]


def test_an_empty_hybrid_query_gives_the_newest_first(client: TestClient, images: dict) -> None:
    answer = asked(client, "/search/hybrid", {})
    assert files(answer)[0] == "yellow7.png"
    assert len(files(answer)) == 10


@pytest.mark.parametrize("k", [0, -1, 10**9, 10**30, "ten", "", 1.5])
def test_a_k_that_is_none_is_refused(client: TestClient, k: object) -> None:
    status, detail = refused(client, "/search/text", q="red", k=k)
    assert (status, "query.k" in detail) == (422, True)
    status, detail = refused(client, "/search/hybrid", {"k": k})
    assert (status, "body.k" in detail) == (422, True)


def test_a_k_beyond_the_settings_is_refused_with_what_may_be(client: TestClient) -> None:
    assert refused(client, "/search/text", q="red", k=1001) == (
        422,
        "1001 images are too many at once; ask for 1 to 1000",
    )


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"q": ""}, "query.q"),
        ({"q": "   "}, "the query is empty"),
        ({"q": "a" * 2001}, "query.q"),
        ({}, "query.q"),
        ({"q": "red", "over": "moon"}, "query.over"),
        ({"q": "red", "min_score": "nan"}, "query.min_score"),
        ({"q": "red", "min_score": 2}, "query.min_score"),
        ({"q": "red", "after": "nonsense"}, "no place in a ranked answer"),
        ({"q": "red", "fodler": "x"}, "query.fodler"),
        ({"q": "red", "since": "9999-12-31T23:59:59-10:00"}, "outside the calendar"),
        ({"q": "red", "since": "2024-02-01", "until": "2024-01-01"}, "before it begins"),
        ({"q": "red", "since": "yesterday"}, "query.since"),
        ({"q": "red", "tags": ["t"] * 51}, "query.tags"),
    ],
)
def test_questions_that_are_none_are_refused_with_the_place(
    client: TestClient, params: dict, told: str
) -> None:
    status, detail = refused(client, "/search/text", **params)
    assert status == 422
    assert told in detail


def test_an_unknown_field_is_told_beside_the_known_ones(client: TestClient) -> None:
    known = "there is no such field here; there are folder, tags, classes, min_confidence"
    for path, body, where in (
        ("/search/text", None, "query.fodler"),
        ("/search/hybrid", {"text_query": "red", "fodler": "x"}, "body.fodler"),
        ("/search/similar", {"image_id": "a", "fodler": "x"}, "body.fodler"),
    ):
        status, detail = refused(client, path, body, q="red", fodler="x")
        assert status == 422
        assert detail.startswith(f"{where}: {known}")
    _, detail = refused(client, "/search/hybrid", {"date_range": {"from": "2024-01-01"}})
    assert detail == "body.date_range.from: there is no such field here; there are since, until"


@pytest.mark.parametrize(
    "folder", ["../../etc", "..", "%2e%2e", "a\x00b", "'; DROP TABLE regions; --", "tr%", "trips'"]
)
def test_folder_names_are_compared_and_never_opened(client: TestClient, images: dict, folder: str) -> None:
    assert asked(client, "/search/text", q="red", folder=folder, **ALL)["hits"] == []
    assert (
        asked(client, "/search/hybrid", {"folder": folder, "tags": [folder], "classes": [folder]})["hits"]
        == []
    )


def test_text_that_is_no_unicode_is_refused(client: TestClient, images: dict) -> None:
    for body in ('{"text_query": "\\ud800"}', '{"folder": "\\udfff"}', '{"tags": ["\\ud800"]}'):
        answer = client.post("/search/hybrid", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("date", ["0001-01-01", "1677-01-01", "2263-01-01", "9999-12-31T23:59:59Z"])
def test_dates_at_the_calendars_ends_are_dates(client: TestClient, images: dict, date: str) -> None:
    since, until = (
        len(asked(client, "/search/hybrid", {"date_range": {end: date}})["hits"])
        for end in ("since", "until")
    )
    assert (since, until) == ((10, 0) if date < "2000" else (0, 10))


def test_without_an_index_a_search_over_the_archive_is_told_so(client: TestClient) -> None:
    status, detail = refused(client, "/search/text", q="red", over="reference")
    assert status == 404
    assert "no reference index" in detail


def test_nothing_is_an_answer_too_and_says_what_it_would_have_taken(
    no_purple: None, client: TestClient
) -> None:
    found = asked(client, "/search/text", q="red")
    assert (len(found["hits"]), found["abstained"]) == (10, False)
    nothing = asked(client, "/search/text", q="purple")
    assert (nothing["hits"], nothing["abstained"]) == ([], True)
    assert nothing["best_score"] < nothing["cut"]
    assert nothing["tagged"] is None
    assert len(asked(client, "/search/text", q="purple", min_score=-1)["hits"]) == 10


def test_words_that_find_nothing_and_are_a_tag_are_told_so(no_purple: None, client: TestClient) -> None:
    nothing = asked(client, "/search/text", q="Red", min_score=1)
    assert (nothing["hits"], nothing["tagged"]) == ([], {"tag": "red", "images": 20})
    body = {"text_query": "red", "min_score": 1, "tags": ["blue"]}
    assert asked(client, "/search/hybrid", body)["tagged"] is None


def test_a_known_query_never_asks_a_model(
    client: TestClient, service: SearchService, images: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asked(client, "/search/text", q="red car", **ALL)

    def nobody(texts: object) -> None:
        raise AssertionError(f"{texts} were embedded")

    monkeypatch.setattr(service.search.texts, "embed", nobody)
    assert files(asked(client, "/search/text", q=" red   car ", **ALL)) == files(before)


def test_a_catalog_that_fails_is_told_as_503_and_answers_again_once_it_does(
    client: TestClient, service: SearchService, images: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise CatalogUnavailableError("the store at 10.0.0.7 refuses")

    with monkeypatch.context() as patched:
        patched.setattr(service.catalog, "search", away)
        answer = client.get("/search/text", params={"q": "red", "min_score": -1})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "10.0.0.7" not in answer.text
    assert len(asked(client, "/search/text", q="red", **ALL)["hits"]) == 10


def test_a_catalog_whose_directory_is_moved_away_and_back_is_searched_again(
    client: TestClient, service: SearchService, images: dict
) -> None:
    root = Path(service.plan.layout.catalog.path)
    paths = (
        "/search/text?q=red&min_score=-1",
        "/images",
        "/tags",
        f"/images/{images['red0.png']}",
        "/readyz",
    )
    assert [client.get(path).status_code for path in paths] == [200] * len(paths)
    away = root.rename(root.with_name("away"))
    for path in paths:
        answer = sooner_or_later(client, path, 503)
        assert int(answer.headers["retry-after"]) >= 1
    away.rename(root)
    for path in paths:
        sooner_or_later(client, path, 200)
    assert len(asked(client, "/search/text", q="red", **ALL)["hits"]) == 10


def sooner_or_later(client: TestClient, path: str, status: int) -> Response:
    """A catalog in memory looks now and then whether its store is there."""
    until_s = time.monotonic() + 10
    while (answer := client.get(path)).status_code != status:
        assert time.monotonic() < until_s, (path, answer.text)
        time.sleep(0.05)
    return answer


@pytest.mark.parametrize("date", ["2024", 2024, 1.7e9, "yesterday"])
def test_what_is_no_date_is_refused_and_not_taken_for_seconds_since_1970(
    client: TestClient, date: object
) -> None:
    response = client.post("/search/hybrid", json={"date_range": {"since": date}})
    assert response.status_code == 422
    assert "2024-05-01" in response.text


@pytest.mark.parametrize("field", ["min_confidence", "k", "min_score"])
def test_true_is_not_taken_for_one(client: TestClient, field: str) -> None:
    response = client.post("/search/objects", json={"text": "red", field: True})
    assert response.status_code == 422
    assert field in response.text
