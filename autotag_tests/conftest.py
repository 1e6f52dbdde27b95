"""Small archives, target folders and settings for the tests, all with the fake models and all below tmp_path."""

import io
import signal
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.settings import Settings

# A shell that runs the tests in the background has Ctrl-C ignored, and all that they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow now and then: time limits of single examples would only make tests flaky.
# A busy machine makes examples slowly; that is no fault of what is tested.
hypothesis.settings.register_profile(
    "autotag", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("autotag")

SETTINGS_TOML = """
[paths]
model_cache = "cache"
[models]
detector = "fake"
embedder = "fake"
[regions]
min_area_px = 16
[compute]
batch_images = 4
chunk_files = 4
"""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.upper().startswith("AUTOTAG_")]:
        monkeypatch.delenv(name)


def picture(
    number: int = 0, width: int = 64, height: int = 48, form: str = "PNG", **options: object
) -> bytes:
    """An image file: grey, with one patch of colour whose place and shade depend on the number."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    colour = [(220, 20, 20), (20, 180, 20), (20, 20, 220), (230, 230, 20)][number % 4]
    x0, y0 = 2 + number % 7, 2 + number % 5
    pixels[y0 : y0 + max(1, height // 2), x0 : x0 + max(1, width // 2)] = colour
    pixels[-1, -1] = (number // 65536 % 256, number // 256 % 256, number % 256)
    return encoded(pixels, form, **options)


def encoded(pixels: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    """Pixels, uint8 (h, w, 3), as an image file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def bomb() -> bytes:
    """A PNG header that claims 60,000 x 60,000 pixels."""
    import struct
    import zlib

    def chunk(body: bytes) -> bytes:
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR" + header) + chunk(b"IDAT" + pixels) + chunk(b"IEND")


@dataclass
class Archive:
    """Writes shards and their tags below a data directory."""

    data: Path

    def shard(self, name: str, members: Sequence[tuple[str, bytes] | tarfile.TarInfo]) -> Path:
        """A tar of files, and of bare headers for links and the like."""
        path = self.data / "source" / "shards" / f"{name}.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for member in members:
                if isinstance(member, tarfile.TarInfo):
                    tar.addfile(member)
                    continue
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
        return path

    def tags(
        self, name: str, tags: Mapping[str, Iterable[str]], captions: Mapping[str, str] | None = None
    ) -> Path:
        """A tags table."""
        path = self.data / "source" / "tags" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns: dict[str, object] = {
            "key": pa.array(list(tags), pa.string()),
            "tags": pa.array([list(t) for t in tags.values()], pa.list_(pa.string())),
        }
        if captions:
            columns["caption"] = [captions.get(key) for key in tags]
        pq.write_table(pa.table(columns), path)
        return path

    def simple(self, name: str, count: int = 6, first: int = 0, **size: int) -> None:
        """`count` good pictures, each with one tag."""
        names = [f"k{number:03d}" for number in range(first, first + count)]
        self.shard(name, [(f"{key}.png", picture(first + i, **size)) for i, key in enumerate(names)])
        self.tags(name, {key: [f"tag{i % 3}"] for i, key in enumerate(names)})


@dataclass
class Folders:
    """Writes target folders below a data directory."""

    data: Path
    names: list[str] = field(default_factory=list)

    def make(self, folder: str, files: Mapping[str, bytes]) -> Path:
        """A folder with files."""
        path = self.data / "target" / folder
        path.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (path / name).write_bytes(content)
        return path

    def simple(self, folder: str, count: int = 6) -> Path:
        """`count` good pictures."""
        return self.make(folder, {f"p{number:03d}.png": picture(number) for number in range(count)})


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "data")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "data")


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "autotag.toml"
    path.write_text(SETTINGS_TOML, encoding="utf-8")
    return path


@pytest.fixture
def settings(settings_file: Path) -> Settings:
    return Settings.load(settings_file)


@pytest.fixture
def plan(settings: Settings) -> PipelinePlan:
    return plan_of(settings)


def snapshot(directory: Path) -> dict[str, tuple[int, int]]:
    """Size and modification time of everything below a directory, folders included."""
    return {
        str(path.relative_to(directory)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in [directory, *directory.rglob("*")]
    }
