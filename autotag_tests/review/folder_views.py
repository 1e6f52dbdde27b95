"""Folder views made by hand."""

import numpy as np

from autotag.review.folder_view import FolderView, Suggestion


def view_of(
    suggestions: dict[str, list[tuple[str, str, float]]], groups: list[int] | None = None
) -> FolderView:
    """One image a file, with (source, tag, score) suggestions."""
    files = sorted(suggestions)
    numbers = groups or list(range(len(files)))
    members: dict[int, list[int]] = {}
    for number, group in enumerate(numbers):
        members.setdefault(group, []).append(number)
    return FolderView(
        key="f",
        files=files,
        media_ids=[f"{number:064x}" for number in range(len(files))],
        sizes_px=[(64, 48)] * len(files),
        suggestions=[
            tuple(Suggestion(tag, source, score) for source, tag, score in suggestions[file])
            for file in files
        ],
        reasons=["" if suggestions[file] else "nothing is alike" for file in files],
        groups=np.array(numbers, np.int64),
        has_votes=True,
        has_labels=True,
        members=members,
    )
