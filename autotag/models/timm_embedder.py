"""Image vectors from a timm backbone: `timm:<model>[/<checkpoint>]`, meant for DINOv2 and DINOv3. No text tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from autotag.domain.regions import RgbImage
from autotag.errors import SettingsError, UsageError
from autotag.models.crop_pixels import CropPreprocessing, rgb_triple
from autotag.models.devices import open_device, runs_half
from autotag.models.hub import hub_weights, local_hub_file
from autotag.models.protocols import Vectors
from autotag.models.specs import ModelSpec
from autotag.models.tensor_files import unreadable
from autotag.models.unit_vectors import unit_vectors
from autotag.models.weights import find_weights, make_fingerprint, weights_sha256

PREPROCESSING_VERSION = 1
# DINOv2 is published at 518 px, 1369 patches a crop; at 224 px it has 256 and costs a sixth.
LARGEST_OWN_SIZE_PX = 256
VIT_SIZE_PX = 224
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_REMEDY = "put the checkpoint there, or set paths.weights to the directory that holds it"


class TimmEmbedder:
    """The pooled features of a timm backbone, without its classifier."""

    def __init__(self, spec: ModelSpec, weights: Path, fingerprint: str) -> None:
        """Build the backbone, load `weights` into it and move it to `spec.device`.

        Raises:
            MissingWeightsError: the checkpoint belongs to another model, or holds objects that could run code.
            SettingsError: an unknown model, or a device that is not there.
        """
        self._name = spec.name
        self._device = open_device(spec)
        self._half = runs_half(spec, self._device)
        self._batch_size = spec.batch_size
        self._fingerprint = fingerprint
        network = _build(spec, weights).eval().requires_grad_(False).to(self._device)
        self._preprocessing = _preprocessing(network, spec)
        self._dim = int(network.num_features)
        self._network = network.half() if self._half else network

    @property
    def fingerprint(self) -> str:
        """Model + weights hash + preprocessing version."""
        return self._fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector, 384 for the small vision transformers."""
        return self._dim

    @property
    def embeds_text(self) -> bool:
        """Never: the backbone has seen no text."""
        return False

    def embed_images(self, crops: Sequence[RgbImage]) -> Vectors:
        """float32 (n, dim), unit L2 norm; row i belongs to crops[i]. Empty in: (0, dim)."""
        import torch

        parts = [np.zeros((0, self._dim), np.float32)]
        for start in range(0, len(crops), self._batch_size):
            pixels = self._preprocessing.fit(crops[start : start + self._batch_size])
            with torch.inference_mode():
                batch = self._preprocessing.normalise(pixels, self._device)
                batch = batch.half() if self._half else batch
                parts.append(unit_vectors(self._network(batch)))
        return np.concatenate(parts)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:  # noqa: ARG002 - the protocol's signature
        """Not possible.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"model {self._name!r} embeds images only, so text search and label scores are not possible with it; "
            "choose a joint embedder, e.g. models.embedder = starter or open_clip:ViT-B-32/laion2b_s34b_b79k."
        )


def _model_and_checkpoint(spec: ModelSpec) -> tuple[str, str]:
    model, _, checkpoint = spec.argument.partition("/")
    return model, checkpoint


def _known_config(model: str) -> Any:
    import timm

    config = timm.get_pretrained_cfg(model) if timm.is_model(model) else None
    if config is None:
        near = ", ".join(timm.list_models(f"*{model.partition('.')[0][:12]}*", pretrained=True)[:5])
        hint = f", e.g. {near}" if near else ""
        raise SettingsError(
            f"timm has no model {model!r}; name one of timm.list_models(pretrained=True){hint}."
        )
    return config


def _build(spec: ModelSpec, weights: Path) -> Any:
    import pickle

    import timm

    model, _ = _model_and_checkpoint(spec)
    config = _known_config(model)
    resized: dict[str, Any] = {"img_size": VIT_SIZE_PX} if _runs_smaller(spec) else {}
    first_error: Exception | None = None
    # timm accepts a checkpoint that fits nowhere if the numbers of classes differ: the rest stays random. Where they are equal it is
    # strict, so the classifier is loaded first and taken off afterwards; a checkpoint may also come without one.
    for classes in dict.fromkeys((config.num_classes, 0)):
        overlay = {"file": str(weights), "source": "", "num_classes": classes}
        try:
            network = timm.create_model(
                model, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes, **resized
            )
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError, OSError) as error:
            first_error = first_error or error
            continue
        if classes:
            cast(Any, network).reset_classifier(0)
        return network
    raise unreadable(weights, first_error or ValueError("it fits no form of the model"))


def _runs_smaller(spec: ModelSpec) -> bool:
    model, _ = _model_and_checkpoint(spec)
    return model.startswith("vit_") and max(_known_config(model).input_size[1:]) > LARGEST_OWN_SIZE_PX


def _preprocessing(network: Any, spec: ModelSpec) -> CropPreprocessing:
    from timm.data.config import resolve_model_data_config

    config = resolve_model_data_config(
        network, args={"img_size": VIT_SIZE_PX} if _runs_smaller(spec) else None
    )
    _, height, width = config["input_size"]
    if config["interpolation"] not in ("bicubic", "bilinear"):
        raise SettingsError(
            f"the backbone wants its images resized by {config['interpolation']!r}, which is not supported."
        )
    return CropPreprocessing(
        size_px=(height, width),
        mean=rgb_triple(config["mean"]),
        std=rgb_triple(config["std"]),
        resize_mode="squash" if config["crop_mode"] == "squash" else "shortest",
        interpolation=config["interpolation"],
        resize_px=int(min(height, width) / config["crop_pct"]),
    )


def _find(spec: ModelSpec, fetch: bool) -> Path:
    model, checkpoint = _model_and_checkpoint(spec)
    if checkpoint:
        return find_weights(spec, checkpoint, _REMEDY)
    return hub_weights(
        spec,
        lambda: local_hub_file(_repository(model), _HUB_FILES),
        lambda: _download(_repository(model)),
        fetch,
    )


def _repository(model: str) -> str:
    repository = _known_config(model).hf_hub_id
    if not repository:
        raise SettingsError(
            f"timm publishes no weights for {model!r}; write timm:{model}/<path to checkpoint>."
        )
    return repository


def _download(repository: str) -> str:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return hf_hub_download(repository, _HUB_FILES[0])
    except EntryNotFoundError:
        return hf_hub_download(repository, _HUB_FILES[1])


def load_timm_embedder(spec: ModelSpec) -> TimmEmbedder:
    """Load `timm:<model>[/<checkpoint>]`; without a checkpoint the weights are fetched from the hub if they are not here.

    Raises:
        MissingWeightsError: no checkpoint, or one that does not fit, or the hub cannot be reached.
        SettingsError: an unknown model, or a device that is not there.
    """
    return TimmEmbedder(spec, _find(spec, fetch=True), timm_embedder_fingerprint(spec, fetch=True))


def timm_embedder_fingerprint(spec: ModelSpec, fetch: bool) -> str:
    """The fingerprint from the weight file alone.

    Raises:
        MissingWeightsError: no checkpoint, or the hub cannot be reached, or `fetch` is False and it would have to be.
        SettingsError: an unknown model.
    """
    model, _ = _model_and_checkpoint(spec)
    return make_fingerprint(model, weights_sha256(_find(spec, fetch), spec.cache_dir), PREPROCESSING_VERSION)
