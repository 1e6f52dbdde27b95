"""Everything a request needs, opened once: settings, models, catalog, archive, metrics, ingestion."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from autotag.catalog.open import open_catalog
from autotag.catalog.protocol import Catalog
from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import AutotagError, MissingInputError, ModelMismatchError, UsageError
from autotag.models.protocols import Vectors
from autotag.pipeline.plan import PipelinePlan, in_process_plan, plan_of
from autotag.pipeline.vote_one import TagVote
from autotag.search.answers import Over, Wanted
from autotag.search.catalog_search import CatalogSearch
from autotag.search.reference_search import ReferenceSearch
from autotag.search.text_vectors import EmbedTexts, TextVectors
from autotag.serving.api.ingest import Ingest
from autotag.serving.api.local_models import LocalModels
from autotag.serving.api.metrics import Metrics
from autotag.serving.api.model_service import ModelService
from autotag.settings import Settings

LOADING = "the models are being loaded"

_log = logging.getLogger(__name__)


@dataclass
class SearchService:
    """What handlers work with. Threads share it.

    Attributes:
        settings: of the process.
        plan: which models, and where things are.
        catalog: the user's own images.
        search: over the catalog.
        archive: search over the tagged archive; None where no index is released.
        models: of the plan's model id.
        metrics: that handlers tell.
        ingest: that takes images in.
    """

    settings: Settings
    plan: PipelinePlan
    catalog: Catalog
    search: CatalogSearch
    archive: ReferenceSearch | None
    models: ModelService
    metrics: Metrics
    ingest: Ingest
    _not_warm: str = field(default=LOADING, init=False)
    _is_catalog_away: bool = field(default=False, init=False)

    def searching(self, over: Over) -> CatalogSearch | ReferenceSearch:
        """The search over the catalog, or over the archive.

        Raises:
            MissingInputError: no index of the archive is released.
        """
        if over == "catalog":
            return self.search
        if self.archive is None:
            raise MissingInputError(
                f"no reference index of {self.plan.model_id} is released; build one, and start the service again"
            )
        return self.archive

    def catalog_image(self, image_id: str) -> CatalogImage:
        """An image of the catalog.

        Raises:
            MissingInputError: it has none of this id.
        """
        return self.catalog_images([image_id])[0]

    def catalog_images(self, image_ids: Sequence[str]) -> list[CatalogImage]:
        """Images of the catalog, in order.

        Raises:
            MissingInputError: one of them is not there.
        """
        images = self.catalog.get(image_ids)
        for name, image in zip(image_ids, images, strict=True):
            if image is None:
                raise MissingInputError(
                    f"image {name[:80]!r} is not in the catalog; it may have been deleted"
                )
        return [image for image in images if image is not None]

    def allowed(self, wanted: Wanted) -> Wanted:
        """The same, if the settings allow so many hits.

        Raises:
            UsageError: they do not.
        """
        most = self.settings.serve.max_k
        if wanted.k > most:
            raise UsageError(f"{wanted.k} images are too many at once; ask for 1 to {most}")
        return wanted

    def warm_up(self) -> None:
        """Do now what first requests would wait for: load models, make the background cuts, read the catalog.

        May be done again after it failed; `obstacles` tells of it meanwhile.

        Raises:
            Exception: what failed.
        """
        try:
            self.models.warm_up()
            _warm_up_search(self.search)
            self.ingest.recover()
        except Exception as error:
            self._not_warm = f"warming up failed ({type(error).__name__}); see the log"
            raise
        self._not_warm = ""

    def obstacles(self) -> list[str]:
        """What stands between this service and answers, a sentence each; none where it is ready.

        Everybody may ask, so paths and addresses are not told: the log has them.
        """
        found = [self._not_warm] if self._not_warm else []
        try:
            self.catalog.get(["0"])
        except AutotagError as error:
            if not self._is_catalog_away:
                _log.warning("the catalog does not answer: %s", error)
            self._is_catalog_away = True
            found.append(f"the catalog does not answer ({type(error).__name__}); see the log")
        else:
            self._is_catalog_away = False
        return found

    def close(self, timeout_s: float = 30.0) -> None:
        """Bring accepted ingests to an end, then let go of models and catalog; all of it within about `timeout_s`."""
        self._not_warm = "the service is being closed"
        end_s = time.monotonic() + timeout_s
        with ExitStack() as last:
            last.callback(self.catalog.close)
            last.callback(lambda: self.models.close(max(0.1, end_s - time.monotonic())))
            self.ingest.close(timeout_s)


def open_service(settings: Settings, models: ModelService | None = None) -> SearchService:
    """Open all of it; nothing is warmed up yet. A catalog that does not exist is made, empty.

    Args:
        settings: of the process.
        models: None loads the settings' models in this process.

    Raises:
        ModelMismatchError: the catalog, or `models`, are of other models than the settings'.
        CatalogUnavailableError: the catalog's store does not answer.
        CorruptIndexError: the archive's index is not the one that was released.
    """
    plan = in_process_plan(plan_of(settings), upload_threads(settings))
    if models is not None:
        _refuse_other_models(models, plan)
    metrics, tag_vote = Metrics(), TagVote.open(plan, settings)
    with ExitStack() as undo:
        if models is None:
            models = LocalModels(plan, settings.serve, tag_vote, metrics)
            undo.callback(models.close, 0.0)
        catalog = _opened_catalog(settings, plan, models)
        undo.callback(catalog.close)
        texts = TextVectors(_timed(models.embed_texts, metrics), models.model_id, settings.serve.text_cache)
        search = CatalogSearch(catalog, texts, false_alarms=settings.serve.false_alarms)
        archive = ReferenceSearch(tag_vote.reference, texts) if tag_vote else None
        ingest = Ingest(settings, plan.layout, catalog, models, metrics)
        undo.pop_all()
    return SearchService(settings, plan, catalog, search, archive, models, metrics, ingest)


def upload_threads(settings: Settings) -> int:
    """Threads of the models that take images in: unless the settings say how many, one core is left to queries."""
    cores = settings.ray.num_cpus or os.cpu_count() or 1
    return settings.serve.upload_threads or max(1, cores - 1)


def _refuse_other_models(models: ModelService, plan: PipelinePlan) -> None:
    if models.model_id != plan.model_id:
        raise ModelMismatchError(
            f"the models that answer are {models.model_id}, and the settings name {plan.model_id};"
            " start both with the same settings"
        )


def _opened_catalog(settings: Settings, plan: PipelinePlan, models: ModelService) -> Catalog:
    """The catalog of these models; a new one only where there is none of other models."""
    try:
        return open_catalog(settings, plan.layout, models.model_id, models.dim, create=False)
    except MissingInputError:
        return open_catalog(settings, plan.layout, models.model_id, models.dim)


def _warm_up_search(search: CatalogSearch) -> None:
    try:
        search.warm_up()
    except UsageError:
        search.catalog.size()  # models without a text side search by pictures all the same


def _timed(embed: EmbedTexts, metrics: Metrics) -> Callable[[Sequence[str]], Vectors]:
    def timed(texts: Sequence[str]) -> Vectors:
        started_s = time.perf_counter()
        vectors = embed(texts)
        metrics.stage("embed_text", time.perf_counter() - started_s)
        return vectors

    return timed
