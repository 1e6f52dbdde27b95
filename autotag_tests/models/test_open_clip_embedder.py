"""`open_clip:` through the real loader, on networks with random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autotag.errors import MissingWeightsError, SettingsError
from autotag.models import open_clip_embedder
from autotag.models.protocols import Embedder
from autotag.models.registry import embedder_fingerprint, load_embedder
from autotag.models.specs import ModelSpec
from autotag_tests.contracts.embedder_contract import EmbedderContract
from autotag_tests.contracts.pictures import blobs, mixed_sizes
from autotag_tests.models.checkpoints import save_open_clip

# Real towers, four layers thin: loads in milliseconds where ViT-B-32 takes seconds.
TINY_ARCH = "autotag-test-tiny"
TINY_CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module", autouse=True)
def _tiny_architecture(tmp_path_factory: pytest.TempPathFactory) -> None:
    import open_clip

    directory = tmp_path_factory.mktemp("architectures")
    (directory / f"{TINY_ARCH}.json").write_text(json.dumps(TINY_CONFIG))
    open_clip.add_model_config(directory)


@pytest.fixture(scope="module", params=["tiny.pt", "tiny.safetensors"])
def spec(request: pytest.FixtureRequest, weights_dir: Path, device: str) -> ModelSpec:
    save_open_clip(weights_dir / request.param, TINY_ARCH, seed=0)
    return ModelSpec(
        f"open_clip:{TINY_ARCH}/{request.param}", device, threads=1, batch_size=3, weights_dir=weights_dir
    )


@pytest.fixture(scope="module")
def embedder(spec: ModelSpec) -> Embedder:
    return load_embedder(spec)


class TestOpenClipEmbedderKeepsTheLaw(EmbedderContract):
    def test_the_fingerprint_needs_no_network_and_is_the_one_of_the_loaded_model(
        self, spec: ModelSpec, embedder: Embedder
    ) -> None:
        assert embedder_fingerprint(spec) == embedder.fingerprint == load_embedder(spec).fingerprint
        assert embedder.fingerprint.startswith(f"{TINY_ARCH}-")

    def test_vectors_are_those_of_open_clips_own_transform_and_model(
        self, spec: ModelSpec, embedder: Embedder
    ) -> None:
        import open_clip

        assert spec.weights_dir is not None
        path = spec.weights_dir / spec.argument.partition("/")[2]
        model, _, transform = open_clip.create_model_and_transforms(TINY_ARCH, pretrained=str(path))
        model.eval()
        batch = torch.stack([transform(Image.fromarray(crop)) for crop in mixed_sizes()])
        with torch.inference_mode():
            images = torch.nn.functional.normalize(model.encode_image(batch)).numpy()
            texts = torch.nn.functional.normalize(
                model.encode_text(open_clip.get_tokenizer(TINY_ARCH)(["a dog"]))
            )
        assert (images * embedder.embed_images(mixed_sizes())).sum(axis=1).min() > 0.9999
        np.testing.assert_allclose(embedder.embed_texts(["a dog"]), texts.numpy(), atol=1e-3)


@pytest.mark.slow
class TestPublishedArchitecturesKeepTheLaw(EmbedderContract):
    tolerance = 1e-3

    @pytest.fixture(scope="class", params=["ViT-B-32", "MobileCLIP-S1"])
    def spec(self, request: pytest.FixtureRequest, weights_dir: Path, device: str) -> ModelSpec:
        arch = request.param
        path = weights_dir / f"{arch}.safetensors"
        if not path.exists():
            save_open_clip(path, arch, seed=0)
        return ModelSpec(f"open_clip:{arch}/{path}", device, batch_size=4)

    @pytest.fixture(scope="class")
    def embedder(self, spec: ModelSpec) -> Embedder:
        return load_embedder(spec)


@pytest.mark.slow
def test_mobileclip_is_folded_without_changing_its_vectors_and_prepared_as_its_authors_do(
    weights_dir: Path,
) -> None:
    import open_clip

    path = weights_dir / "MobileCLIP-S1.safetensors"
    if not path.exists():
        save_open_clip(path, "MobileCLIP-S1", seed=0)
    folded = open_clip_embedder.load_open_clip_embedder(ModelSpec(f"open_clip:MobileCLIP-S1/{path}"))
    plain = open_clip.create_model("MobileCLIP-S1", pretrained=str(path)).eval()
    count = {
        name: sum(1 for _ in model.modules())
        for name, model in (("folded", folded._network), ("plain", plain))
    }
    assert count["folded"] < count["plain"]
    assert folded._preprocessing.mean == (0.0, 0.0, 0.0)
    assert folded._preprocessing.std == (1.0, 1.0, 1.0)
    pixels = folded._preprocessing.fit([blobs(300, 200)])
    with torch.inference_mode():
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        expected = torch.nn.functional.normalize(plain.encode_image(batch)).numpy()
    assert float((expected * folded.embed_images([blobs(300, 200)])).sum()) > 0.999


def test_other_weights_have_another_fingerprint(weights_dir: Path) -> None:
    names = [save_open_clip(weights_dir / f"seed{seed}.pt", TINY_ARCH, seed) for seed in (1, 2)]
    prints = {embedder_fingerprint(ModelSpec(f"open_clip:{TINY_ARCH}/{name}")) for name in names}
    assert len(prints) == 2


def test_a_missing_checkpoint_is_named_with_the_places_looked_in(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=str(tmp_path)):
        load_embedder(ModelSpec(f"open_clip:{TINY_ARCH}/none.safetensors", weights_dir=tmp_path))


def test_a_checkpoint_of_another_architecture_is_refused(weights_dir: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(MissingWeightsError, match=r"other\.pt"):
        load_embedder(ModelSpec(f"open_clip:{TINY_ARCH}/{tmp_path / 'other.pt'}"))


def test_a_checkpoint_that_would_run_code_is_refused_unrun(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"state_dict": Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(MissingWeightsError, match=r"bomb\.pt"):
        load_embedder(ModelSpec(f"open_clip:{TINY_ARCH}/{tmp_path / 'bomb.pt'}"))
    assert not (tmp_path / "ran").exists()


def test_an_unknown_architecture_tag_or_missing_part_is_a_settings_error(weights_dir: Path) -> None:
    path = save_open_clip(weights_dir / "any.pt", TINY_ARCH, seed=3)
    for name, match in [
        (f"open_clip:ViT-Z-99/{path}", "no architecture"),
        ("open_clip:ViT-B-32/laion_typo", "laion2b_s34b_b79k"),
        ("open_clip:ViT-B-32", "needs weights"),
    ]:
        with pytest.raises(SettingsError, match=match):
            load_embedder(ModelSpec(name))


def test_a_tag_is_not_fetched_when_only_the_fingerprint_of_what_is_here_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_clip_embedder, "local_hub_file", lambda *_: None)
    monkeypatch.setattr(open_clip_embedder, "_download", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(MissingWeightsError, match="hub's cache"):
        embedder_fingerprint(ModelSpec("open_clip:ViT-B-32/laion2b_s34b_b79k"), fetch=False)


def test_an_unreachable_hub_is_missing_weights_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("open_clip.pretrained.hf_hub_download", unreachable)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(MissingWeightsError, match=r"no route to host.*write its path instead"):
        load_embedder(ModelSpec("open_clip:ViT-B-32/laion2b_s34b_b79k"))


def test_a_fetched_tag_is_loaded_and_its_place_remembered(
    monkeypatch: pytest.MonkeyPatch, weights_dir: Path, tmp_path: Path
) -> None:
    import open_clip.pretrained

    path = save_open_clip(weights_dir / "hub.safetensors", TINY_ARCH, seed=4)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, TINY_ARCH, {"sometag": {"hf_hub": "some/where/"}})
    monkeypatch.setattr(open_clip_embedder, "local_hub_file", lambda *_: None)
    monkeypatch.setattr("open_clip.pretrained.hf_hub_download", lambda **_: str(path))
    spec = ModelSpec(f"open_clip:{TINY_ARCH}/sometag", cache_dir=tmp_path / "cache")
    fingerprint = load_embedder(spec).fingerprint
    monkeypatch.setattr(
        "open_clip.pretrained.hf_hub_download", lambda **_: pytest.fail("asked the hub again")
    )
    assert embedder_fingerprint(spec, fetch=False) == fingerprint


def test_a_tag_stays_a_tag_where_a_file_of_that_name_lies_in_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "laion2b_s34b_b79k").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec("open_clip:ViT-B-32/laion2b_s34b_b79k", weights_dir=tmp_path / "weights")
    assert not open_clip_embedder._names_a_file(spec, "laion2b_s34b_b79k")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "laion2b_s34b_b79k").write_bytes(b"")
    assert open_clip_embedder._names_a_file(spec, "laion2b_s34b_b79k")
