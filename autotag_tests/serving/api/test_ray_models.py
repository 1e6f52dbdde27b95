"""The models behind handles of Ray Serve, with handles that answer here: what is sent again, and what clients are told."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve.exceptions import BackPressureError

from autotag.errors import OverloadedError, RejectedImageError, UsageError
from autotag.models.fakes import FakeEmbedder
from autotag.pipeline.embed_pictures import Picture
from autotag.serving.api import ray_models
from autotag.serving.api.ray_models import ATTEMPTS, RayModels

Answers = Callable[..., Any]


class Response:
    """Of a call with `given`; `called_off` holds what was given to those that were cancelled."""

    called_off: ClassVar[list[Any]] = []

    def __init__(self, given: Any, answer: Callable[[], Any]) -> None:
        self._given = given
        self._answer = answer

    def result(self, timeout_s: float) -> Any:
        assert timeout_s > 0
        return self._answer()

    def cancel(self) -> None:
        self.called_off.append(self._given)


def method(answer: Answers) -> SimpleNamespace:
    return SimpleNamespace(remote=lambda *given: Response(given[:1], lambda: answer(*given)))


def models(**answers: Answers) -> RayModels:
    handle: Any = SimpleNamespace(
        facts=method(lambda: ("detector+embedder", 16)),
        **{name: method(each) for name, each in answers.items()},
    )
    return RayModels(handle, handle, 3)


def raising(errors: Sequence[Exception], answer: Any) -> Answers:
    """Raises one error a call, then answers."""
    left = list(errors)

    def answered(*_: object) -> Any:
        if left:
            raise left.pop(0)
        return answer

    return answered


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_models, "PAUSE_S", 0.0)


@pytest.fixture(autouse=True)
def called_off(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was given to calls that were called off."""
    monkeypatch.setattr(Response, "called_off", [])
    return Response.called_off


def test_texts_go_a_few_at_a_time_and_come_back_in_order():
    sent: list[int] = []

    def embed(texts: list[str]) -> Any:
        sent.append(len(texts))
        return FakeEmbedder().embed_texts(texts)

    words = ["red", "green", "blue", "black", "white", "red car", "a"]
    vectors = models(embed_texts=embed).embed_texts(words)
    assert sent == [3, 3, 1]
    np.testing.assert_array_equal(vectors, FakeEmbedder().embed_texts(words))


def test_no_text_is_no_call():
    assert models().embed_texts([]).shape == (0, 16)


def test_the_model_is_that_of_the_replicas():
    service = models()
    assert (service.model_id, service.dim) == ("detector+embedder", 16)


def test_an_image_that_cannot_be_used_costs_the_others_nothing():
    rejected = RejectedImageError("decode", "it is no image")
    service = models(embed=lambda data, vote: rejected if data == b"no" else (data, vote))
    assert service.embed_uploads([b"a", b"no", b"b"], vote=True) == [(b"a", True), rejected, (b"b", True)]


def test_what_a_dying_replica_took_with_it_is_sent_again():
    embed = raising([ActorDiedError(), RayTaskError("embed", "", ActorDiedError())], "a vector")
    assert models(embed_picture=embed).embed_pictures([Picture(b"")]) == ["a vector"]


def test_replicas_that_keep_dying_are_told_as_overload_worth_another_try():
    embed = raising([ActorDiedError()] * ATTEMPTS, "never")
    with pytest.raises(OverloadedError, match="lost") as told:
        models(embed_picture=embed).embed_pictures([Picture(b"")])
    assert told.value.retry_after_s > 0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BackPressureError(9, 8), "too many texts wait"),
        (TimeoutError(), "no model replica took texts in time"),
    ],
)
def test_a_full_queue_and_a_replica_that_does_not_answer_are_told_as_overload(error: Exception, words: str):
    with pytest.raises(OverloadedError, match=words):
        models(embed_texts=raising([error], "never")).embed_texts(["red"])


def failing_at(number: bytes, error: Exception) -> Answers:
    """Answers with what it is given, but for one."""

    def answered(data: bytes, vote: bool) -> bytes:
        if data == number:
            raise error
        return data

    return answered


@pytest.mark.parametrize(
    ("error", "left"), [(TimeoutError(), [b"b", b"c"]), (BackPressureError(9, 8), [b"c"])]
)
def test_calls_that_nobody_waits_for_any_more_are_called_off(
    error: Exception, left: list[bytes], called_off: list[Any]
):
    with pytest.raises(OverloadedError):
        models(embed=failing_at(b"b", error)).embed_uploads([b"a", b"b", b"c"], vote=True)
    assert called_off == [(each,) for each in left]


def test_calls_that_are_answered_are_not_called_off(called_off: list[Any]):
    models(embed=failing_at(b"", ValueError())).embed_uploads([b"a", b"b"], vote=True)
    assert called_off == []


def test_a_call_that_cannot_be_called_off_hides_no_error(monkeypatch: pytest.MonkeyPatch):
    def fail(_: Response) -> None:
        raise ActorDiedError

    monkeypatch.setattr(Response, "cancel", fail)
    with pytest.raises(OverloadedError, match="in time"):
        models(embed=failing_at(b"a", TimeoutError())).embed_uploads([b"a"], vote=True)


def test_an_error_of_ours_comes_as_it_was_raised_in_the_replica():
    mistake = UsageError("the model has no text side")
    with pytest.raises(UsageError) as told:
        models(embed_texts=raising([RayTaskError("embed_texts", "", mistake)], "never")).embed_texts(["red"])
    assert told.value is mistake


def test_an_error_of_a_model_stays_one():
    with pytest.raises(RayTaskError):
        models(embed_texts=raising([RayTaskError("embed_texts", "", ValueError("x"))], "never")).embed_texts(
            ["red"]
        )


def test_calls_without_an_answer_yet_are_counted():
    seen: list[dict[str, int]] = []
    service: RayModels

    def embed(data: bytes, vote: bool) -> bytes:
        seen.append(dict(service.waiting))
        return data

    service = models(embed=embed)
    service.embed_uploads([b"a", b"b"], vote=False)
    assert seen == [{"texts": 0, "pictures": 0, "uploads": 2}] * 2
    assert not any(service.waiting.values())
