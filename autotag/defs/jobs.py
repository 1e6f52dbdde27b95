"""Jobs: the archive, the index, a folder. One process a run, so that its steps share models and Ray."""

import dagster as dg

source_job = dg.define_asset_job(
    "source_job",
    selection=dg.AssetSelection.assets("source_images", "source_embeddings"),
    description="Archive shards: manifest, then regions and vectors.",
)

observe_source_job = dg.define_asset_job(
    "observe_source_job",
    selection=dg.AssetSelection.assets("source_shards"),
    description="Looks which archive shards changed; nothing is read or made.",
)

index_job = dg.define_asset_job(
    "index_job",
    selection=dg.AssetSelection.assets("faiss_index"),
    description="A new release of the reference index over all embedded shards.",
)

process_target_job = dg.define_asset_job(
    "process_target_job",
    selection=dg.AssetSelection.assets(
        "target_images",
        "target_crops",
        "target_embeddings",
        "folder_tags",
        "tag_proposals",
        "catalog_entries",
    ),
    description="A folder from images to tags, these into the ledger, and all of it into the catalog.",
)

catalog_job = dg.define_asset_job(
    "catalog_job",
    selection=dg.AssetSelection.assets("catalog_entries"),
    description="A folder that is tagged, into the catalog, with what people have decided since.",
)

thresholds_job = dg.define_asset_job(
    "thresholds_job",
    selection=dg.AssetSelection.assets("tag_thresholds"),
    description="Thresholds of all tags, fitted to the archive and to people's decisions.",
)

sidecars_job = dg.define_asset_job(
    "sidecars_job",
    selection=dg.AssetSelection.assets("xmp_sidecars"),
    description="Writes approved tags into XMP sidecars beside a folder's images. Only ever run when asked for.",
)

discovery_job = dg.define_asset_job(
    "discovery_job",
    selection=dg.AssetSelection.assets("tag_discovery_of_all"),
    description="What no tag explains, in all embedded folders together.",
)

review_job = dg.define_asset_job(
    "review_job",
    selection=dg.AssetSelection.groups("target", "review")
    # Without an archive nobody can vote, which must not keep a folder from its review.
    - dg.AssetSelection.assets("folder_tags", "xmp_sidecars", "tag_thresholds", "tag_discovery_of_all"),
    description="A folder made ready for review, with or without an archive: thumbnails, label scores, proposals, medoid, sheet.",
)
