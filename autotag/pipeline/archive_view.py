"""The part of the archive that a search has found, as the vote sees it."""

import numpy as np

from autotag.domain.archive_tags import ArchiveTags, Ints
from autotag.domain.arrow_columns import list_lengths, list_values
from autotag.domain.near_duplicates import Hashes, near_duplicate_groups
from autotag.domain.vote_records import NO_ROW
from autotag.search.reference_mapping import ReferenceMapping


class ArchiveView:
    """The rows that were found, and their images and tags, each numbered from 0 in the order of the archive's own numbers.

    Only images that were found can vote, and only copies among them are joined to one voter: comparing all images of a
    large archive for each folder would take minutes.

    Attributes:
        rows: int64, the rows of the reference, ascending.
        images: int64, the images, ascending.
        phash: uint64, of the images.
        tag_names: of the images' tags.
        archive: the same for the vote.
    """

    def __init__(self, mapping: ReferenceMapping, hit_rows: Ints, further_images: Ints | None = None) -> None:
        """Look up what was found.

        Args:
            mapping: of the reference that was searched.
            hit_rows: int64, any shape, also several times the same row; `NO_ROW` where padded.
            further_images: int64, images that have to be there though they may not have been found.
        """
        self.rows: Ints = np.unique(hit_rows[hit_rows != NO_ROW])
        regions = mapping.regions(self.rows, ["image", "region_index"])
        image = regions["image"].to_numpy()
        self.images: Ints = np.unique(image if further_images is None else np.append(image, further_images))
        found = mapping.images(self.images, ["phash", "tags"])
        tags, tag_ids = np.unique(list_values(found["tags"]).to_numpy().astype(np.int64), return_inverse=True)
        self.tag_names = mapping.tag_names(tags)
        self.phash: Hashes = found["phash"].to_numpy()
        self.archive = ArchiveTags(
            media=np.searchsorted(self.images, image),
            is_object=regions["region_index"].to_numpy() > 0,
            tag_starts=np.append(0, np.cumsum(list_lengths(found["tags"]))),
            tag_ids=tag_ids,
            voter=near_duplicate_groups(self.phash),
            elsewhere=mapping.images_with(tags) - np.bincount(tag_ids, minlength=len(tags)),
        )

    def places(self, hit_rows: Ints) -> Ints:
        """Rows of the reference that were found -> rows of `archive`; `NO_ROW` stays."""
        return np.where(hit_rows == NO_ROW, NO_ROW, np.searchsorted(self.rows, hit_rows))
