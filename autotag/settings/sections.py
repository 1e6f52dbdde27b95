"""The tables of the settings file: keys, types, defaults and what they mean."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A table of the settings file: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paths(Section):
    """Roots: local paths or `s3://` URIs. Each part can be moved by its own key; empty means below `data`."""

    data: str = Field(default="data", description="root of everything below")
    source_shards: str = Field(default="", description="<data>/source/shards")
    source_tags: str = Field(default="", description="<data>/source/tags")
    source_processed: str = Field(default="", description="<data>/source/processed")
    reference: str = Field(default="", description="<data>/reference")
    target: str = Field(default="", description="<data>/target")
    target_processed: str = Field(default="", description="<data>/target_processed")
    catalog: str = Field(default="", description="<data>/catalog")
    runs: str = Field(default="", description="<data>/runs")
    model_cache: str = Field(
        default="", description="converted models; a local directory; default ~/.cache/autotag"
    )
    weights: str = Field(
        default="weights", description="where relative paths of weight files start; a local directory"
    )


class Source(Section):
    """The tagged archive."""

    first_shard: int = Field(default=0, ge=0, le=99_999, description="first partition")
    last_shard: int = Field(default=3, ge=0, le=99_999, description="last partition, included")
    max_partitions_per_run: int = Field(default=10, ge=1, description="shards a backfill gives to one run")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.last_shard < self.first_shard:
            raise ValueError(f"last_shard {self.last_shard} lies before first_shard {self.first_shard}")
        return self


class Models(Section):
    """Which models, and where they run."""

    detector: str = Field(
        default="starter", description="starter | whole | yolo:<weights> | sam:<weights> | fastsam:<weights>"
    )
    embedder: str = Field(
        default="starter", description="starter | open_clip:<arch>/<weights> | timm:<model>"
    )
    device: str = Field(default="cpu", description="cpu | cuda | cuda:<n>")
    half: bool = Field(default=False, description="16-bit floats on a GPU")
    detector_batch: int = Field(default=8, ge=1, description="images a detector call")
    embedder_batch: int = Field(default=32, ge=1, description="crops an embedder call")


class Regions(Section):
    """Which detections become crops."""

    min_area_px: int = Field(default=1024, ge=1, description="smaller boxes are dropped")
    score_threshold: float = Field(default=0.4, ge=0, le=1, description="weaker detections are dropped")
    max_regions: int = Field(default=8, ge=0, description="objects an image; the whole image comes on top")
    crop_long_edge_px: int = Field(
        default=1920, ge=32, le=65_500, description="saved crops are shrunk to this long edge"
    )
    crop_quality: int = Field(default=92, ge=1, le=100, description="JPEG quality of saved crops")


class Images(Section):
    """Limits on input images."""

    max_bytes: int = Field(default=200_000_000, ge=1, description="larger files are rejected unread")
    max_pixels: int = Field(
        default=178_956_970, ge=1, description="larger images are rejected before they are decoded"
    )
    min_side_px: int = Field(default=1, ge=1, description="smaller images are rejected")


class Compute(Section):
    """How the work is cut."""

    batch_images: int = Field(default=16, ge=1, description="images decoded, detected and embedded together")
    chunk_files: int = Field(
        default=64, ge=1, description="files of a target folder that travel to a worker together"
    )
    in_process_below: int = Field(
        default=2000,
        ge=0,
        description="a run over fewer images works in process: Ray would take longer to start than it saves",
    )
    max_attempts: int = Field(
        default=3, ge=1, description="times one image may kill a worker before it is rejected"
    )


class Ray(Section):
    """The engine."""

    address: str = Field(default="", description="an existing cluster (auto, ray://...); empty = a local one")
    num_cpus: int = Field(default=0, ge=0, description="cores of a local cluster; 0 = all")
    actors: int = Field(
        default=0, ge=0, description="worker processes; 0 = as many as the cluster's CPUs or GPUs allow"
    )
    cpus_per_actor: float = Field(
        default=1.0, gt=0, description="cores, also the threads a worker uses (at least one)"
    )
    gpus_per_actor: float = Field(default=0.0, ge=0, description="GPUs, fractions too")
    source_engine: Literal["actors", "data"] = Field(
        default="actors",
        description="how shards reach workers: actors that both source steps share, or Ray Data (a new pool a step)",
    )


class Index(Section):
    """The reference index."""

    factory: str = Field(default="", description="FAISS factory string; empty = chosen from rows and memory")
    memory_budget_mib: int = Field(default=4096, ge=1, description="the index must fit")
    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="where it is trained, filled and searched"
    )
    query_batch: int = Field(default=20_000, ge=1, description="queries a search call")
    probes: int = Field(default=500, ge=1, description="vectors the recall check asks for")
    loo_images: int = Field(default=500, ge=1, description="archive images the leave-one-out check tags")
    target_recall_at_10: float = Field(
        default=0.98, ge=0, le=1, description="nprobe is raised for it at build"
    )
    min_recall_at_10: float = Field(default=0.95, ge=0, le=1, description="below this the asset check warns")
    keep_versions: int = Field(default=3, ge=1, description="released versions kept")


class Tagging(Section):
    """The vote."""

    k: int = Field(default=10, ge=1, description="archive images that vote on an image")
    min_votes: int = Field(default=3, ge=1, description="distinct archive images that must vote for a tag")
    threshold: float = Field(
        default=0.44, ge=0, le=1, description="least score of a tag; found for the starter models"
    )
    min_similarity: float = Field(
        default=0.2, ge=-1, le=1, description="an image whose nearest neighbour is less alike gets no tags"
    )
    temperature: float = Field(
        default=0.08,
        gt=0,
        description="a voter less alike than the best by this has a share smaller by the factor e",
    )
    object_discount: float = Field(
        default=0.15,
        ge=0,
        description="taken from a similarity for each side that is an object, not a whole image",
    )
    rare_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="a tag needs at most this share of the images that have it; 1 = min_votes holds",
    )
    max_tags: int = Field(default=20, ge=1, description="tags an image")


class Target(Section):
    """Target folders and the sensor that watches them."""

    quiet_s: float = Field(
        default=15.0, ge=0, description="a folder is processed once nothing changed for this long"
    )
    sensor_interval_s: int = Field(default=15, ge=1, description="how often the sensor looks")
    only: str = Field(
        default="",
        description="only this folder below the target root and those below it; empty = all of them",
    )


class Sheet(Section):
    """Contact sheets."""

    images: int = Field(default=24, ge=1, description="images on a sheet")
    tile_px: int = Field(default=220, ge=64, description="long edge of a tile")


class Labels(Section):
    """The label list, which images are scored against without any archive."""

    file: str = Field(
        default="labels.txt", description="one label a line; a local file, relative to this one's directory"
    )
    templates: list[str] = Field(
        default=["a {}", "a photo of a {}", "a picture of a {}"],
        min_length=1,
        description="sentences a label is put into; their vectors are averaged",
    )
    threshold: float = Field(
        default=0.25, ge=-1, le=1, description="least score of a label that is proposed as a tag"
    )
    topk: int = Field(default=5, ge=1, description="labels shown an image")


class Thresholds(Section):
    """Thresholds that are fitted to known tags and to people's decisions."""

    target_precision: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the given tags that must be right, like 0.9; 0 = the fixed thresholds of [tagging] and [labels]",
    )
    images: int = Field(default=5000, ge=1, description="archive images they are fitted to")
    prior_examples: float = Field(
        default=20.0,
        ge=0,
        description="examples that a tag's group counts for; few of a tag's own weigh less",
    )


class Review(Section):
    """What people decide, and what is learned from it."""

    ledger: str = Field(
        default="", description="database of all decisions, an SQLAlchemy URL; <data>/ledger.sqlite"
    )
    reviewer: str = Field(default="", description="name that decisions are recorded under; your login name")
    thumbnail_px: int = Field(default=512, ge=32, le=4096, description="long edge of thumbnails")
    voter_weight: float = Field(
        default=1.0,
        ge=0,
        description="weight of an approved image of yours beside one of the archive; 0 = no vote",
    )


class Discovery(Section):
    """Regions that nothing explains, proposed as new tags."""

    max_regions: int = Field(default=5000, ge=10, le=20_000, description="most regions clustered at a time")
    min_images: int = Field(default=4, ge=2, description="images that make a cluster")
    words: int = Field(default=5, ge=0, description="nearest words told of a cluster")
    tiles: int = Field(default=12, ge=1, description="pictures shown of a cluster")
    detector: str = Field(
        default="", description="open-vocabulary detector, <module>:<function> that makes one; empty = none"
    )
    remote: str = Field(
        default="", description="remote vision API, <module>:<function> that makes one; empty = none"
    )
    endpoint: str = Field(default="", description="where the remote API is; pictures are sent there")


class Sidecars(Section):
    """XMP sidecars, written only when asked for."""

    exiftool: str = Field(default="exiftool", description="the program: a name on the PATH, or a path")
    batch_files: int = Field(default=256, ge=1, le=256, description="files ExifTool is given together")


class Catalog(Section):
    """The searchable store of your own images and objects."""

    backend: Literal["lancedb", "opensearch"] = Field(
        default="lancedb", description="lancedb: files below paths.catalog | opensearch: a cluster"
    )
    index_from: int = Field(
        default=20_000,
        ge=256,
        description="regions from which a vector index pays; fewer are searched one by one",
    )
    memory_mb: int = Field(
        default=1000,
        ge=0,
        description="most that a serving process holds of an embedded catalog in memory; a larger one is searched on disk",
    )
    url: str = Field(
        default="", description="of OpenSearch, like https://user:password@host:9200; unused by lancedb"
    )
    alias: str = Field(
        default="autotag",
        pattern=r"^[a-z][a-z0-9_-]{0,99}$",
        description="name of the OpenSearch index's alias",
    )
    shards: int = Field(default=2, ge=1, description="primary shards of an OpenSearch index")
    replicas: int = Field(default=1, ge=0, description="copies of each OpenSearch shard")
    timeout_s: float = Field(default=10.0, gt=0, description="longest wait for an answer of OpenSearch")


class Serve(Section):
    """The search API and what it allows."""

    host: str = Field(
        default="127.0.0.1", description="address it listens on; beyond loopback keys are required"
    )
    port: int = Field(default=8000, ge=1, le=65_535, description="port it listens on")
    keys: str = Field(default="", description="file of hashed access keys; <data>/keys.json")
    ingested: str = Field(default="", description="where ingested images are kept; <data>/ingested")
    max_upload_bytes: int = Field(
        default=50_000_000, ge=1, description="longer uploads are refused while they arrive"
    )
    max_k: int = Field(default=1000, ge=1, le=10_000, description="most hits of one search")
    upload_timeout_s: float = Field(default=30.0, gt=0, description="slower uploads are given up")
    text_cache: int = Field(default=1000, ge=0, description="queries whose vectors are remembered")
    batch: int = Field(default=16, ge=1, description="requests that share a call of a model")
    batch_wait_ms: float = Field(
        default=2.0, ge=0, description="longest wait for others to share a call with"
    )
    max_waiting: int = Field(
        default=256, ge=1, description="requests waiting for a model; more are told to come back (503)"
    )
    upload_threads: int = Field(
        default=0,
        ge=0,
        description="cores for the models that take images in; 0: all but one, which is left to those who search",
    )
    false_alarms: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="share of queries that have nothing to do with the catalog that may be answered all the same",
    )
    min_replicas: int = Field(
        default=1, ge=1, description="Ray Serve: replicas of the API and of each model that are always there"
    )
    max_replicas: int = Field(
        default=4, ge=1, description="Ray Serve: replicas of each under load, as far as the cluster has room"
    )

    @model_validator(mode="after")
    def _room_to_grow(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(
                f"max_replicas {self.max_replicas} is less than min_replicas {self.min_replicas}"
            )
        return self
