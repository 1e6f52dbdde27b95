"""source_shards: what each shard's tar and tags are now, from two listings; nothing is opened."""

from collections.abc import Collection

from autotag.storage.fingerprints import file_versions, fingerprint
from autotag.storage.layout import Layout


def shard_versions(layout: Layout, shards: Collection[str]) -> dict[str, str]:
    """Version of each shard: changes when its tar or its tags table does. A shard without a tar has none."""
    tars, tags = file_versions(layout.source_shards), file_versions(layout.source_tags)
    versions: dict[str, str] = {}
    for shard in shards:
        tar = tars.get(layout.shard(shard).name)
        if tar is not None:
            versions[shard] = fingerprint(tar=tar, tags=tags.get(layout.tags(shard).name, ""))
    return versions
