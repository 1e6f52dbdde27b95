"""autotag build-index."""

from autotag.cli.options import AsJson, Config
from autotag.cli.session import Session
from autotag.cli.store import Store, index_of
from autotag.cli.verb import run_assets


def build_index(config: Config = None, store: Store = None, as_json: AsJson = False) -> None:
    """Release a new version of the reference index over all embedded shards, and measure its recall.

    With --store: release an index over the latest vectors of a retrieval store.
    """
    if store is not None:
        index_of(store, config, as_json=as_json)
        return
    run_assets(Session.open(config), "index_job", ["faiss_index"], as_json=as_json)
