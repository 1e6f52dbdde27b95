"""Opens what answers the search page beside the page, once, and keeps it for all visits."""

from concurrent.futures import Future, wait
from typing import TYPE_CHECKING

import streamlit as st

from autotag.search.answers import Over
from autotag.search.catalog_search import CatalogSearch
from autotag.search.reference_search import ReferenceSearch
from autotag.search.text_vectors import TextVectors
from autotag.serving.background_call import in_background
from autotag.serving.studio.search_engine import SearchEngine
from autotag.serving.studio.search_examples import ExamplePixels
from autotag.serving.studio.shared_embedder import shared_embedder
from autotag.serving.studio.workbench import Workbench

if TYPE_CHECKING:
    from autotag.pipeline.plan import PipelinePlan
    from autotag.settings import Settings

LOOK_S = 0.25


def open_engine(settings: "Settings", plan: "PipelinePlan", over: Over) -> SearchEngine:
    """Load the model and open the store; seconds the first time.

    Raises:
        MissingInputError: there is no catalog, or no released index, yet.
        AutotagError: weights are missing, or the store is of another model or does not answer.
    """
    embedder = shared_embedder(plan.embedder)
    texts = TextVectors(embedder.embed_texts, plan.model_id)
    pixels = ExamplePixels(plan)
    if over == "reference":
        from autotag.search.reference_reader import open_reference

        return SearchEngine(
            ReferenceSearch(open_reference(plan.layout, plan.model_id), texts), embedder, pixels
        )
    from autotag.catalog.open import open_catalog

    catalog = open_catalog(settings, plan.layout, plan.model_id, embedder.dim, create=False)
    search = CatalogSearch(catalog, texts, false_alarms=settings.serve.false_alarms)
    if embedder.embeds_text:
        search.warm_up()
    return SearchEngine(search, embedder, pixels)


def ready_engine(bench: Workbench, over: Over) -> SearchEngine | None:
    """The engine where it is open by now; begins to open it where nobody has yet."""
    opening = _opening(*_names(bench), over, bench)
    return opening.result() if opening.done() and opening.exception() is None else None


def search_engine(bench: Workbench, over: Over) -> SearchEngine:
    """The engine, waited for. A page that is left meanwhile is let go.

    Raises:
        AutotagError: see `open_engine`; the next call tries again.
    """
    opening = _opening(*_names(bench), over, bench)
    told = st.empty()
    while not opening.done():
        # Streamlit ends a run that nobody waits for any more where it draws something.
        told.caption("Opening the catalog and its model: once, some seconds ...")
        wait([opening], timeout=LOOK_S)
    told.empty()
    if opening.exception() is not None:
        forget_engine(bench, over)
    return opening.result()


def forget_engine(bench: Workbench, over: Over) -> None:
    """Have the store opened anew by whoever asks next."""
    _opening.clear(*_names(bench), over)


def _names(bench: Workbench) -> tuple[str, str]:
    """All of the settings that an engine is made of."""
    plan, settings = bench.plan, bench.settings
    return repr((plan.embedder, plan.model_id)), repr((plan.layout, settings.catalog, settings.serve))


@st.cache_resource(max_entries=4, show_spinner=False)
def _opening(model: str, store: str, over: Over, _bench: Workbench) -> Future[SearchEngine]:
    del model, store
    settings, plan = _bench.settings, _bench.plan
    return in_background(lambda: open_engine(settings, plan, over), f"open-{over}")
