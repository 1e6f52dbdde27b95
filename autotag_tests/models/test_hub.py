"""The sentence about weights that the hub cannot serve, and what its client says meanwhile."""

import logging
from pathlib import Path

import pytest

from autotag.errors import MissingWeightsError
from autotag.models.hub import hub_weights
from autotag.models.specs import ModelSpec

SPEC = ModelSpec(name="open_clip:ViT-B-32/some_tag")


def test_a_long_reason_is_cut_between_words_and_the_client_keeps_quiet(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = logging.getLogger("huggingface_hub.utils._http")
    reason = "cannot locate the file " * 40

    def unreachable() -> str:
        client.warning("Retrying in 1s [Retry 1/5].")
        raise OSError(reason + "\nand a page more")

    logging.getLogger("huggingface_hub").propagate = True
    with pytest.raises(MissingWeightsError) as raised:
        hub_weights(SPEC, lambda: None, unreachable, fetch=True)
    told = str(raised.value)
    assert told.startswith(
        f"the weight file of model {SPEC.name!r} is missing: looked for it in the hub's cache on"
    )
    assert " ...); load it once on a machine" in told
    shown = told.partition("(")[2].partition(" ...)")[0]
    assert shown.split() == reason.split()[: len(shown.split())]
    assert "Retrying" not in caplog.text
    assert f"looking for the weights of model {SPEC.name!r} on its hub" in caplog.text
    client.warning("later")
    assert "later" in caplog.text, "other times it may speak"


def test_weights_that_are_on_this_machine_are_not_looked_for_on_the_hub(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"weights")
    assert hub_weights(SPEC, lambda: weights, str, fetch=True) == weights
    with pytest.raises(MissingWeightsError):
        hub_weights(SPEC, lambda: None, str, fetch=False)
    assert caplog.text == ""
