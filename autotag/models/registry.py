"""From a name to a model: which forms of names there are, and which adapter each one loads. Adapters are imported when used."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Generic, TypeVar, cast

from autotag.errors import SettingsError
from autotag.models.protocols import Detector, Embedder
from autotag.models.specs import ModelSpec

__all__ = [
    "ModelForm",
    "ModelRegistry",
    "ModelSpec",
    "detector_fingerprint",
    "detectors",
    "embedder_fingerprint",
    "embedders",
    "load_detector",
    "load_embedder",
]

Model = TypeVar("Model")


@dataclass(frozen=True)
class ModelForm:
    """One form of model names.

    Attributes:
        usage: how a person writes it, e.g. `yolo:<weights>`; the part before the colon is the key.
        module: the adapter's module, imported when the form is first used.
        loader: name of a function `(ModelSpec) -> model` in that module.
        fingerprinter: name of a function `(ModelSpec, fetch: bool) -> str` in that module, which builds no network.
        is_for_tests: known, but not among the forms that people are told of.
    """

    usage: str
    module: str
    loader: str
    fingerprinter: str
    is_for_tests: bool = False

    @property
    def key(self) -> str:
        """The part of the name before the colon."""
        return self.usage.partition(":")[0]

    @property
    def takes_argument(self) -> bool:
        """Whether something has to follow the colon."""
        return ":" in self.usage


class ModelRegistry(Generic[Model]):
    """The forms of one role, "detector" or "embedder"."""

    def __init__(self, role: str) -> None:
        """`role` is the word used in messages and the key of the settings section `models`."""
        self._role = role
        self._forms: dict[str, ModelForm] = {}

    def register(self, form: ModelForm) -> None:
        """Add a form.

        Raises:
            SettingsError: the key is taken.
        """
        if form.key in self._forms:
            taken = self._forms[form.key]
            raise SettingsError(
                f"{self._role} form {form.key!r} is registered twice: by {taken.module} and by {form.module}; "
                "give one of them another name."
            )
        self._forms[form.key] = form

    @property
    def usages(self) -> list[str]:
        """How each form for users is written, in the order of registration."""
        return [form.usage for form in self._forms.values() if not form.is_for_tests]

    def load(self, spec: ModelSpec) -> Model:
        """Build the model on `spec.device`, ready for its first batch.

        Raises:
            SettingsError: unknown name, or a device that is not there.
            MissingWeightsError: no weight file, or none that can be read.
        """
        form = self._form_of(spec)
        load = cast(Callable[[ModelSpec], Model], getattr(import_module(form.module), form.loader))
        return load(spec)

    def fingerprint(self, spec: ModelSpec, fetch: bool = True) -> str:
        """The fingerprint that the loaded model would have, from its weight file alone.

        Args:
            spec: the model.
            fetch: whether weights that a hub name stands for may be fetched; False only looks on this machine.

        Raises:
            SettingsError: unknown name.
            MissingWeightsError: no weight file.
        """
        form = self._form_of(spec)
        make = cast(Callable[[ModelSpec, bool], str], getattr(import_module(form.module), form.fingerprinter))
        return make(spec, fetch)

    def _form_of(self, spec: ModelSpec) -> ModelForm:
        # An adapted space is a form of its own; without this it would be taken for a checkpoint of that name.
        form = self._forms.get("+head" if "+head:" in spec.name else spec.form)
        if form is None or form.takes_argument != bool(spec.argument):
            raise SettingsError(
                f"models.{self._role} = {spec.name!r} is not a known {self._role}; write one of: {', '.join(self.usages)}."
            )
        return form


def _form(usage: str, module: str, part: str, *, is_for_tests: bool = False) -> ModelForm:
    return ModelForm(
        usage, f"autotag.models.{module}", f"load_{part}", f"{part}_fingerprint", is_for_tests=is_for_tests
    )


detectors: ModelRegistry[Detector] = ModelRegistry("detector")
detectors.register(_form("starter", "starter", "starter_detector"))
detectors.register(_form("whole", "whole_image", "whole_image_detector"))
detectors.register(_form("yolo:<weights>", "yolo_detector", "yolo_detector"))
detectors.register(_form("sam:<weights>", "sam_detector", "sam_detector"))
detectors.register(_form("fastsam:<weights>", "fastsam_detector", "fastsam_detector"))
detectors.register(_form("fake", "fakes", "fake_detector", is_for_tests=True))

embedders: ModelRegistry[Embedder] = ModelRegistry("embedder")
embedders.register(_form("starter", "starter", "starter_embedder"))
embedders.register(
    _form("open_clip:<arch>/<pretrained tag or checkpoint>", "open_clip_embedder", "open_clip_embedder")
)
embedders.register(_form("timm:<model>[/<checkpoint>]", "timm_embedder", "timm_embedder"))
embedders.register(_form("fake", "fakes", "fake_embedder", is_for_tests=True))
embedders.register(_form("turned_fake", "fakes", "turned_fake_embedder", is_for_tests=True))


def load_detector(spec: ModelSpec) -> Detector:
    """The detector that `spec.name` names; see `ModelRegistry.load`."""
    return detectors.load(spec)


def load_embedder(spec: ModelSpec) -> Embedder:
    """The embedder that `spec.name` names; see `ModelRegistry.load`."""
    return embedders.load(spec)


def detector_fingerprint(spec: ModelSpec, fetch: bool = True) -> str:
    """What `load_detector(spec).fingerprint` would be, without building the network; see `ModelRegistry.fingerprint`."""
    return detectors.fingerprint(spec, fetch)


def embedder_fingerprint(spec: ModelSpec, fetch: bool = True) -> str:
    """What `load_embedder(spec).fingerprint` would be, without building the network; see `ModelRegistry.fingerprint`."""
    return embedders.fingerprint(spec, fetch)
