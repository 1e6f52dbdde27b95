"""`timm:` through the real loader, on networks with random weights."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from autotag.errors import MissingWeightsError, SettingsError
from autotag.models import timm_embedder
from autotag.models.protocols import Embedder
from autotag.models.registry import embedder_fingerprint, load_embedder
from autotag.models.specs import ModelSpec
from autotag_tests.contracts.embedder_contract import EmbedderContract
from autotag_tests.contracts.pictures import blobs, mixed_sizes
from autotag_tests.models.checkpoints import save_timm

SMALL = "resnet10t"


@pytest.fixture(scope="module")
def spec(weights_dir: Path, device: str) -> ModelSpec:
    save_timm(weights_dir / "small.pt", SMALL, seed=0)
    return ModelSpec(f"timm:{SMALL}/small.pt", device, threads=1, batch_size=3, weights_dir=weights_dir)


@pytest.fixture(scope="module")
def embedder(spec: ModelSpec) -> Embedder:
    return load_embedder(spec)


class TestTimmEmbedderKeepsTheLaw(EmbedderContract):
    pass


@pytest.mark.slow
class TestDinoKeepsTheLaw(EmbedderContract):
    @pytest.fixture(scope="class", params=["vit_small_patch14_dinov2", "vit_small_patch16_dinov3"])
    def spec(self, request: pytest.FixtureRequest, weights_dir: Path, device: str) -> ModelSpec:
        model = request.param
        path = weights_dir / f"{model}.pt"
        if not path.exists():
            save_timm(path, model, seed=0)
        return ModelSpec(f"timm:{model}/{path}", device, batch_size=4)

    @pytest.fixture(scope="class")
    def embedder(self, spec: ModelSpec) -> Embedder:
        return load_embedder(spec)

    def test_its_vectors_have_384_numbers(self, embedder: Embedder) -> None:
        assert embedder.dim == 384


def test_vectors_are_those_of_timms_own_transform_and_model(
    embedder: Embedder, spec: ModelSpec, weights_dir: Path
) -> None:
    import timm

    model = timm.create_model(SMALL, pretrained=False, num_classes=0).eval()
    model.load_state_dict(torch.load(weights_dir / "small.pt", weights_only=True))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    batch = torch.stack([transform(Image.fromarray(crop)) for crop in mixed_sizes()])
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(model(batch)).numpy()
    assert (expected * embedder.embed_images(mixed_sizes())).sum(axis=1).min() > 0.999


def test_the_fingerprint_is_the_one_of_the_loaded_model(
    spec: ModelSpec, embedder: Embedder, tmp_path: Path
) -> None:
    assert embedder_fingerprint(spec) == embedder.fingerprint
    assert re.fullmatch(SMALL + r"-[0-9a-f]{8}-p1", embedder.fingerprint)
    other = save_timm(tmp_path / "other.pt", SMALL, seed=1)
    assert embedder_fingerprint(ModelSpec(f"timm:{SMALL}/{other}")) != embedder.fingerprint


def test_an_unknown_model_is_a_settings_error(tmp_path: Path) -> None:
    file = save_timm(tmp_path / "any.pt", SMALL, seed=0)
    with pytest.raises(SettingsError, match="timm has no model"):
        load_embedder(ModelSpec(f"timm:vit_colossal/{file}"))


def test_a_missing_checkpoint_is_named_with_the_places_looked_in(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=re.escape(str(tmp_path / "none.pt"))):
        load_embedder(ModelSpec(f"timm:{SMALL}/none.pt", weights_dir=tmp_path))


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(MissingWeightsError, match=r"other\.pt"):
        load_embedder(ModelSpec(f"timm:{SMALL}/{tmp_path / 'other.pt'}"))


def test_a_checkpoint_with_its_classifier_is_taken(tmp_path: Path) -> None:
    file = save_timm(tmp_path / "published.pt", SMALL, seed=0, classes=1000)
    assert load_embedder(ModelSpec(f"timm:{SMALL}/{file}")).embed_images([blobs(20, 20)]).shape == (1, 512)


def test_an_unreachable_hub_is_missing_weights_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(timm_embedder, "local_hub_file", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    with pytest.raises(MissingWeightsError, match=r"no route to host.*write its path instead"):
        load_embedder(ModelSpec(f"timm:{SMALL}"))


def test_a_vector_without_a_direction_is_rejected_not_passed_on(embedder: Embedder) -> None:
    from autotag.errors import RejectedImageError
    from autotag.models.unit_vectors import unit_vectors

    assert embedder.embed_images([blobs(20, 20)]).shape[0] == 1
    for bad in (torch.zeros(2, 3), torch.tensor([[1.0, float("nan")]]), torch.tensor([[float("inf"), 1.0]])):
        with pytest.raises(RejectedImageError):
            unit_vectors(bad)
