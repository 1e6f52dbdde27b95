"""Image and text vectors of one space from an open_clip model: `open_clip:<arch>/<pretrained tag or checkpoint>`.

The part after the first slash is a checkpoint if a file of that name is there (or it ends like one), else a tag of open_clip's
list of pretrained weights. MobileCLIP's training branches are folded before the first forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from autotag.domain.regions import RgbImage
from autotag.errors import MissingWeightsError, SettingsError
from autotag.models.crop_pixels import CropPreprocessing, rgb_triple
from autotag.models.devices import open_device, runs_half
from autotag.models.hub import hub_weights, local_hub_file
from autotag.models.protocols import Vectors
from autotag.models.specs import ModelSpec
from autotag.models.tensor_files import unreadable
from autotag.models.unit_vectors import unit_vectors
from autotag.models.weights import find_weights, make_fingerprint, weights_place, weights_sha256

PREPROCESSING_VERSION = 1
CHECKPOINT_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".npz")
_REMEDY = "put the checkpoint there, or set paths.weights to the directory that holds it"


class OpenClipEmbedder:
    """Both towers of an open_clip model on one device."""

    def __init__(self, spec: ModelSpec, weights: Path, fingerprint: str) -> None:
        """Build the architecture, load `weights` into it and move it to `spec.device`.

        Raises:
            MissingWeightsError: the checkpoint belongs to another architecture, or holds objects that could run code.
            SettingsError: an unknown architecture, or a device that is not there.
        """
        import open_clip

        arch, pretrained = _arch_and_pretrained(spec)
        self._device = open_device(spec)
        self._half = runs_half(spec, self._device)
        self._batch_size = spec.batch_size
        self._fingerprint = fingerprint
        network = _build(arch, pretrained, weights, "fp16" if self._half else "fp32", self._device)
        self._preprocessing = _preprocessing(network.visual.preprocess_cfg)
        self._network = _fold(network).eval().requires_grad_(False)
        try:
            self._tokenize = open_clip.get_tokenizer(arch)
        except (OSError, RuntimeError, ValueError) as error:
            raise MissingWeightsError(
                f"the tokenizer of {arch}",
                "Hugging Face's cache on this machine and on the hub",
                "load it once on a machine that reaches the hub and copy the cache (HF_HOME)",
            ) from error
        self._dim = int(self._forward_texts(["a"]).shape[1])

    @property
    def fingerprint(self) -> str:
        """Architecture + weights hash + preprocessing version."""
        return self._fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector, 512 for ViT-B-32."""
        return self._dim

    @property
    def embeds_text(self) -> bool:
        """Always."""
        return True

    def embed_images(self, crops: Sequence[RgbImage]) -> Vectors:
        """float32 (n, dim), unit L2 norm; row i belongs to crops[i]. Empty in: (0, dim).

        Crops are prepared as the model's own evaluation transform does it, and run in batches of `spec.batch_size`.
        """
        import torch

        parts = [np.zeros((0, self._dim), np.float32)]
        for start in range(0, len(crops), self._batch_size):
            pixels = self._preprocessing.fit(crops[start : start + self._batch_size])
            with torch.inference_mode():
                batch = self._preprocessing.normalise(pixels, self._device)
                batch = batch.half() if self._half else batch
                parts.append(unit_vectors(self._network.encode_image(batch)))
        return np.concatenate(parts)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """float32 (n, dim), unit L2 norm. Texts longer than the model's context are cut. Empty in: (0, dim)."""
        parts = [np.zeros((0, self._dim), np.float32)]
        for start in range(0, len(texts), self._batch_size):
            parts.append(self._forward_texts(texts[start : start + self._batch_size]))
        return np.concatenate(parts)

    def _forward_texts(self, texts: Sequence[str]) -> Vectors:
        import torch

        with torch.inference_mode():
            tokens = self._tokenize(list(texts)).to(self._device)
            return unit_vectors(self._network.encode_text(tokens))


def _arch_and_pretrained(spec: ModelSpec) -> tuple[str, str]:
    arch, _, pretrained = spec.argument.partition("/")
    if not arch or not pretrained:
        raise SettingsError(
            f"models.embedder = {spec.name!r} needs weights: write open_clip:<arch>/<pretrained tag or path to checkpoint>, "
            "e.g. open_clip:ViT-B-32/laion2b_s34b_b79k."
        )
    return arch, pretrained


def _names_a_file(spec: ModelSpec, pretrained: str) -> bool:
    place = weights_place(spec, pretrained)
    return pretrained.endswith(CHECKPOINT_SUFFIXES) or (place is not None and place.is_file())


def _build(arch: str, pretrained: str, weights: Path, precision: str, device: Any) -> Any:
    import pickle

    import open_clip

    if arch not in open_clip.list_models():
        raise SettingsError(
            f"open_clip has no architecture {arch!r}; it has: {', '.join(open_clip.list_models())}."
        )
    trained_with = _trained_with(arch, pretrained)
    try:
        network, _, _ = open_clip.create_model_and_transforms(
            arch,
            pretrained=str(weights),
            precision=precision,
            device=device,
            force_quick_gelu=bool(trained_with.get("quick_gelu", False)),
            image_mean=trained_with.get("mean"),
            image_std=trained_with.get("std"),
            image_interpolation=trained_with.get("interpolation"),
            image_resize_mode=trained_with.get("resize_mode"),
            pretrained_text=False,
            weights_only=True,
        )
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError, OSError) as error:
        raise unreadable(weights, error) from error
    return network


def _trained_with(arch: str, pretrained: str) -> dict[str, Any]:
    """Mean, std, resize mode and activation the weights expect.

    A tag says so itself. A checkpoint file does not, and open_clip then assumes OpenAI's numbers, which are wrong for MobileCLIP and
    SigLIP: it is taken to be prepared as all the tags of its architecture are, where those agree.
    """
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    keys = ("mean", "std", "interpolation", "resize_mode")
    tag = get_pretrained_cfg(arch, pretrained)
    if tag:
        return {key: tag.get(key) for key in (*keys, "quick_gelu")}
    known = [get_pretrained_cfg(arch, name) for name in open_clip.list_pretrained_tags_by_model(arch)]
    ways = {tuple(config.get(key) for key in keys) for config in known}
    return dict(zip(keys, ways.pop(), strict=True)) if len(ways) == 1 else {}


def _fold(network: Any) -> Any:
    """Fold the training branches of re-parameterisable towers (MobileCLIP's FastViT); leaves other towers alone."""
    if any(hasattr(module, "reparameterize") for module in network.modules()):
        from timm.utils.model import reparameterize_model

        return reparameterize_model(network.eval())
    return network


def _preprocessing(config: Any) -> CropPreprocessing:
    config = config if isinstance(config, dict) else asdict(config)
    size = config["size"]
    return CropPreprocessing(
        size_px=(size, size) if isinstance(size, int) else (int(size[0]), int(size[1])),
        mean=rgb_triple(config["mean"]),
        std=rgb_triple(config["std"]),
        resize_mode=config["resize_mode"],
        interpolation="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        fill=int(config["fill_color"]),
    )


def _find(spec: ModelSpec, fetch: bool) -> Path:
    arch, pretrained = _arch_and_pretrained(spec)
    if _names_a_file(spec, pretrained):
        return find_weights(spec, pretrained, _REMEDY)
    return hub_weights(spec, lambda: _local(arch, pretrained), lambda: _download(arch, pretrained), fetch)


def _tag(arch: str, pretrained: str) -> dict[str, Any]:
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    tag = get_pretrained_cfg(arch, pretrained)
    if not tag:
        known = (
            ", ".join(open_clip.list_pretrained_tags_by_model(arch)) or "none (is the architecture right?)"
        )
        raise SettingsError(
            f"{pretrained!r} is neither a file nor pretrained weights of {arch!r}; open_clip knows these tags for it: {known}."
        )
    return tag


def _local(arch: str, pretrained: str) -> Path | None:
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    repository, _, file_name = _tag(arch, pretrained).get("hf_hub", "").rpartition("/")
    if not repository:
        return None
    names = (
        [str(Path(file_name).with_suffix(".safetensors")), file_name]
        if file_name
        else [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]
    )
    return local_hub_file(repository, names)


def _download(arch: str, pretrained: str) -> str:
    from open_clip.pretrained import download_pretrained

    return download_pretrained(_tag(arch, pretrained))


def load_open_clip_embedder(spec: ModelSpec) -> OpenClipEmbedder:
    """Load `open_clip:<arch>/<pretrained tag or checkpoint>`; the weights of a tag are fetched from the hub if they are not here.

    Raises:
        MissingWeightsError: no checkpoint, or one that does not fit, or the hub cannot be reached.
        SettingsError: an unknown architecture or tag, or a device that is not there.
    """
    return OpenClipEmbedder(spec, _find(spec, fetch=True), open_clip_embedder_fingerprint(spec, fetch=True))


def open_clip_embedder_fingerprint(spec: ModelSpec, fetch: bool) -> str:
    """The fingerprint from the weight file alone.

    Raises:
        MissingWeightsError: no checkpoint, or the hub cannot be reached, or `fetch` is False and it would have to be.
        SettingsError: an unknown tag.
    """
    arch, _ = _arch_and_pretrained(spec)
    return make_fingerprint(arch, weights_sha256(_find(spec, fetch), spec.cache_dir), PREPROCESSING_VERSION)
