"""The files of ingested images, and the tags that came with them: what an ingested image is made from again.

`<media id>.<ext>` is the image as it was sent. `<media id>.json` beside it holds the tags its senders gave, where they gave any: they
are a person's words, which no model can say again, so they are kept as safely as the image, and apart from the ledger, whose folders
are under review. A file takes its name whole and flushed to the disk; a killed process leaves hidden temporaries at most.
"""

import json
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from autotag.errors import PermanentError, UsageError
from autotag.serving.api.sent_tags import MOST_TAGS
from autotag.storage.file_names import ingested_tags_name
from autotag.storage.folder_files import list_files, read_file
from autotag.storage.layout import Layout
from autotag.storage.locks import Lock, held
from autotag.storage.removal import remove_file, remove_stale_temporaries, temporary_name
from autotag.storage.roots import is_local, make_directory, told_if_unwritable
from autotag.storage.tables import publish_file

_TAGS = "tags"
_IMAGE = re.compile(r"[0-9a-f]{64}\.[a-z]+")
_SHARED = slice(1, 41)
"""Of a temporary's name: what it shares with the file it was to become."""


class IngestedFiles:
    """The directory of ingested images. Threads and processes may share it: who changes it holds `changing`."""

    def __init__(self, layout: Layout) -> None:
        """`layout.ingested` is the directory; it is made when the first image comes."""
        self._layout = layout
        self.root = layout.ingested

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody else puts images in place or takes them away inside the block.

        Raises:
            InUseError: another process has been doing so for too long.
            UnwritableRootError: the file system refuses.
        """
        with held(Lock(self._layout.ingested_lock, "the directory of ingested images")):
            yield

    def stage(self, data: bytes, name: str) -> Path:
        """Write a file that nobody sees yet, and flush it to the disk: everything about it that takes time.

        Raises:
            UnwritableRootError: the file system refuses.
        """
        make_directory(self.root)
        directory = self.root.path if is_local(self.root) else gettempdir()
        staged = Path(directory) / temporary_name(name, uuid.uuid4().hex[:12])
        with told_if_unwritable(self.root):
            try:
                with staged.open("xb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
            except BaseException:
                staged.unlink(missing_ok=True)
                raise
        return staged

    def keep(self, staged: Path, name: str) -> bool:
        """Give a staged file its name; where that is taken, by the same bytes, the staged one goes. Whether it was free.

        Raises:
            UnwritableRootError: the file system refuses.
        """
        is_free = not self.has(name)
        try:
            if is_free:
                self._publish(staged, name)
        finally:
            staged.unlink(missing_ok=True)
        return is_free

    def settle(self) -> None:
        """Flush the directory to the disk, so that names outlive a power cut, too."""
        if not is_local(self.root):
            return
        with told_if_unwritable(self.root):
            directory = os.open(self.root.path, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def has(self, name: str) -> bool:
        """Whether a file is kept under this name."""
        return (self.root / name).exists()

    def read(self, name: str, media_id: str = "") -> bytes:
        """The bytes of an image.

        Raises:
            RejectedImageError: it is not there, or is not of this media id.
            MissingInputError: the directory is not there.
            RetryableError: the storage failed.
        """
        return read_file(self.root, name, media_id)

    def names(self) -> list[str]:
        """Files of all images, by name; none where the directory is not there."""
        return [name for name in self._all_names() if _IMAGE.fullmatch(name) and not name.endswith(".json")]

    def tags(self, media_id: str) -> tuple[str, ...]:
        """Tags that came with an image, in the order they came.

        Raises:
            PermanentError: the file that holds them is damaged.
        """
        path = self.root / ingested_tags_name(media_id)
        try:
            return tuple(str(each) for each in json.loads(path.read_bytes())[_TAGS])
        except FileNotFoundError:
            return ()
        except (ValueError, KeyError, TypeError) as error:
            raise PermanentError(f"{path} holds no tags any more ({error}); delete it, or mend it") from error

    def add_tags(self, media_id: str, tags: Sequence[str]) -> tuple[str, ...]:
        """Keep more tags of an image; all it has now.

        Raises:
            UsageError: it would have too many.
            PermanentError: the file that holds them is damaged.
            UnwritableRootError: the file system refuses.
        """
        before = self.tags(media_id)
        after = tuple(dict.fromkeys([*before, *tags]))
        if len(after) > max(MOST_TAGS, len(before)):
            raise UsageError(
                f"the image has {len(before)} tags of people and would have {len(after)}; {MOST_TAGS} are allowed"
            )
        if after != before:
            name = ingested_tags_name(media_id)
            staged = self.stage(json.dumps({_TAGS: after}, ensure_ascii=False).encode(), name)
            try:
                self._publish(staged, name)
            finally:
                staged.unlink(missing_ok=True)
        return after

    def remove(self, name: str) -> bool:
        """Delete an image's file, then its tags and thumbnails; whether the file was there.

        Raises:
            UnwritableRootError: the file system refuses.
        """
        media_id = name.partition(".")[0]
        was_there = self.has(name)
        with told_if_unwritable(self.root / name):
            remove_file(self.root / name)
            remove_file(self.root / ingested_tags_name(media_id))
            self._remove_thumbnails(media_id)
        return was_there

    def clear_leftovers(self) -> None:
        """Delete what killed processes left: temporaries, and tags of images that were taken away."""
        names = self._all_names()
        media = {name.partition(".")[0] for name in names if not name.endswith(".json")}
        for name in names:
            if name.endswith(".json") and _IMAGE.fullmatch(name) and name.partition(".")[0] not in media:
                remove_file(self.root / name)
        if is_local(self.root) and self.root.is_dir():
            directory = Path(self.root.path)
            for prefix in {path.name[_SHARED] for path in directory.glob(".*.tmp")}:
                remove_stale_temporaries(directory / prefix)

    def _remove_thumbnails(self, media_id: str) -> None:
        """Of all sizes: the settings may have named another one when it was made."""
        directory = self._layout.ingested_thumbnails
        for size in directory.iterdir() if directory.is_dir() else ():
            if size.name.isdecimal():
                remove_file(self._layout.ingested_thumbnail(media_id, int(size.name)))

    def _publish(self, staged: Path, name: str) -> None:
        with told_if_unwritable(self.root / name):
            publish_file(
                staged, self.root / name, durable=False
            )  # its content was flushed when it was staged

    def _all_names(self) -> list[str]:
        if not self.root.is_dir():
            return []
        return [each.name for each in list_files(self.root)]
