"""The description of the API: complete, in words, and true of errors."""

from fastapi.testclient import TestClient

from autotag.serving.api.problems import Problem


def test_every_route_but_health_is_described_as_needing_a_key(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    open_paths = {
        path
        for path, operations in document["paths"].items()
        if any("security" not in each for each in operations.values())
    }
    assert open_paths == {"/healthz", "/readyz"}


def test_every_operation_is_described_with_words_and_with_problems(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, each in operations.items():
            assert each["summary"], (method, path)
            assert each["description"], (method, path)
            for status, answer in each["responses"].items():
                if status == "default" or status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
            assert {"422", "503", "default"} <= set(each["responses"])


def test_the_first_operation_is_the_search_by_words_and_its_first_parameter_the_words(
    client: TestClient,
) -> None:
    document = client.get("/openapi.json").json()
    assert next(iter(document["paths"])) == "/search/text"
    parameters = document["paths"]["/search/text"]["get"]["parameters"]
    assert (parameters[0]["name"], parameters[0]["required"]) == ("q", True)
    assert not [each["name"] for each in parameters if "null" in str(each["schema"])]


def test_examples_of_problems_are_problems(client: TestClient) -> None:
    answers = client.get("/openapi.json").json()["paths"]["/search/text"]["get"]["responses"]
    examples = [
        each["content"]["application/problem+json"]["example"]
        for status, each in answers.items()
        if status != "200"
    ]
    assert {Problem.model_validate(each).status for each in examples} == {401, 403, 404, 422, 503}
