"""What a worker needs to know to load a model: a name, a device and a few limits. Plain data that travels to any process."""

from dataclasses import dataclass
from pathlib import Path

from autotag.errors import SettingsError


@dataclass(frozen=True)
class ModelSpec:
    """A detector or an embedder before it is loaded. Picklable; the network is built where the spec arrives.

    Attributes:
        name: a form of the registry, e.g. `starter`, `yolo:yolo11s.pt`, `open_clip:ViT-B-32/laion2b_s34b_b79k`.
        device: "cpu", "cuda" or "cuda:<n>".
        threads: CPU threads of one forward pass; 0 leaves the library's own choice. Ignored on CUDA.
        batch_size: most images in one forward pass; larger inputs are cut into such batches.
        half: float16 on CUDA. On the CPU the networks run in float32 whatever it says.
        weights_dir: where relative paths of weight files start.
        cache_dir: where hashes of weight files are remembered; None remembers them in this process only.
    """

    name: str
    device: str = "cpu"
    threads: int = 0
    batch_size: int = 16
    half: bool = False
    weights_dir: Path | None = None
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no network can work with.

        Raises:
            SettingsError: `batch_size` below 1 or `threads` below 0.
        """
        if self.batch_size < 1:
            raise SettingsError(f"batch_size of model {self.name!r} is {self.batch_size}; give 1 or more.")
        if self.threads < 0:
            raise SettingsError(
                f"threads of model {self.name!r} is {self.threads}; give 0 (automatic) or more."
            )

    @property
    def form(self) -> str:
        """The part of the name before the first colon, e.g. `yolo`."""
        return self.name.partition(":")[0]

    @property
    def argument(self) -> str:
        """The part of the name after the first colon, e.g. `yolo11s.pt`; empty where there is none."""
        return self.name.partition(":")[2]
