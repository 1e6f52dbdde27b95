"""What assets work with: settings, the plan of a run, and engines that the steps of a run share."""

import json
import os
from collections.abc import Callable
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from autotag.compute.engine import Engine, InProcessEngine
from autotag.compute.ray_actor_engine import RayActorEngine
from autotag.compute.ray_data_engine import RayDataEngine
from autotag.compute.ray_session import RaySpec
from autotag.domain.votes import VoteRules
from autotag.pipeline.plan import PipelinePlan, in_process_plan, plan_of, ray_spec
from autotag.reference.searcher import SearchOptions
from autotag.settings import Settings
from autotag.storage.tables import write_text


class AutotagRuntime(dg.ConfigurableResource):
    """Settings and engines. Engines start when a step first needs them and end with the run."""

    config: str = ""

    _engines: dict[str, Engine] = PrivateAttr(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return Settings.load(self.config or None)

    def plan(self, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> PipelinePlan:
        """The plan of this run; its settings are frozen in `runs/<run id>/config.json` the first time."""
        run_id = context.run.root_run_id or context.run.run_id
        settings = self.settings
        plan = plan_of(settings, run_id)
        frozen = plan.layout.run_config(run_id)
        if not frozen.exists():
            facts: dict[str, Any] = {"model_id": plan.model_id, "settings": settings.model_dump(mode="json")}
            write_text(frozen, json.dumps(facts, indent=2, sort_keys=True))
        return plan

    def manifest_engine(self) -> Engine:
        """What manifests of shards run on: threads here, since they need no model; workers where there is a cluster."""
        if self.settings.ray.address:
            return self._workers("actors")
        return self._engine("threads", lambda _: InProcessEngine(self._cores()))

    def source_engine(self, plan: PipelinePlan, images: int) -> tuple[Engine, PipelinePlan]:
        """What shards of so many images in all are embedded on, and the plan as its workers should see it."""
        return self._engine_for(plan, images, self.settings.ray.source_engine)

    def folder_engine(self, plan: PipelinePlan, images: int) -> tuple[Engine, PipelinePlan]:
        """What the chunks of a folder run on, and the plan as its workers should see it."""
        return self._engine_for(plan, images, "actors")

    def _engine_for(self, plan: PipelinePlan, images: int, workers: str) -> tuple[Engine, PipelinePlan]:
        """This process for few images, which are done before workers have started; else Ray, and always a cluster."""
        if images < self.settings.compute.in_process_below and not self.settings.ray.address:
            return self._engine("in process", lambda _: InProcessEngine()), in_process_plan(
                plan, self._cores()
            )
        return self._workers(workers), plan

    def _workers(self, kind: str) -> Engine:
        """Actors that the steps of a run share, or Ray Data with a pool of its own a step."""
        return self._engine(kind, RayDataEngine if kind == "data" else RayActorEngine)

    def vote_rules(self) -> VoteRules:
        """The settings' rules of the vote."""
        tagging = self.settings.tagging
        return VoteRules(
            k=tagging.k,
            min_votes=tagging.min_votes,
            min_score=tagging.threshold,
            min_similarity=tagging.min_similarity,
            temperature=tagging.temperature,
            object_discount=tagging.object_discount,
            rare_share=tagging.rare_share,
            max_tags=tagging.max_tags,
        )

    def search_options(self) -> SearchOptions:
        """How the reference index is searched."""
        index = self.settings.index
        return SearchOptions(device=index.device, query_batch=index.query_batch)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """End the engines, also when the run failed or was cancelled."""
        del context
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    def _cores(self) -> int:
        return self.settings.ray.num_cpus or os.cpu_count() or 1

    def _engine(self, name: str, make: Callable[[RaySpec], Engine]) -> Engine:
        if name not in self._engines:
            self._engines[name] = make(ray_spec(self.settings))
        return self._engines[name]
