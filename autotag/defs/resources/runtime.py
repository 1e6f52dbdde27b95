"""What assets work with: settings, the plan of a run, and engines that the steps of a run share."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, PrivateAttr

from autotag.defs.resources.run_settings import RunSettings, settings_of_run
from autotag.errors import ModelMismatchError
from autotag.settings import Settings

if TYPE_CHECKING:
    from autotag.compute.engine import Engine
    from autotag.compute.ray_session import RaySpec
    from autotag.domain.vote_rules import VoteRules
    from autotag.pipeline.plan import PipelinePlan
    from autotag.reference.searcher import SearchOptions


class AutotagRuntime(dg.ConfigurableResource):
    """Settings and engines. Engines start when a step first needs them and end with the run.

    `overrides` are values over the settings file and the environment, by key: {"labels.topk": 5}.
    """

    config: str = ""
    overrides: dict[str, Any] = Field(default_factory=dict)

    _context: dg.InitResourceContext | None = PrivateAttr(default=None)
    _run_settings: RunSettings | None = PrivateAttr(default=None)
    _is_noticed: bool = PrivateAttr(default=False)
    _engines: dict[str, Any] = PrivateAttr(default_factory=dict)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember which run this is. Nothing is read yet: an error belongs to the step that needs the settings."""
        self._context = context

    @property
    def settings(self) -> Settings:
        """In a run, those it began with; elsewhere, as in a sensor, those of the settings file as it is now."""
        of_run = self._of_run()
        return of_run.settings if of_run else Settings.load(self.config or None, self.overrides)

    def plan(self, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> "PipelinePlan":
        """The plan of this run.

        Raises:
            ModelMismatchError: weights have changed since the run began.
        """
        from autotag.pipeline.plan import plan_of

        of_run = self._of_run()
        if of_run is None:
            return plan_of(self.settings)
        if of_run.notice and not self._is_noticed:
            self._is_noticed = True
            context.log.warning(of_run.notice)
        plan = plan_of(of_run.settings)
        if plan.model_id != of_run.model_id:
            raise ModelMismatchError(
                f"run {of_run.run_id} began with {of_run.model_id}, the weights are now those of {plan.model_id};"
                " start a new run"
            )
        return plan

    def manifest_engine(self) -> "Engine":
        """What manifests of shards run on: threads here, since they need no model; workers where there is a cluster."""
        from autotag.compute.engine import InProcessEngine

        if self.settings.ray.address:
            return self._workers(self.settings.ray.source_engine)
        return self._engine("threads", lambda _: InProcessEngine(self._cores()))

    def source_engine(self, plan: "PipelinePlan", images: int) -> tuple["Engine", "PipelinePlan"]:
        """What shards of so many images in all are embedded on, and the plan as its workers should see it."""
        return self._engine_for(plan, images, self.settings.ray.source_engine)

    def folder_engine(self, plan: "PipelinePlan", images: int) -> tuple["Engine", "PipelinePlan"]:
        """What the chunks of a folder run on, and the plan as its workers should see it."""
        return self._engine_for(plan, images, "actors")

    def _engine_for(self, plan: "PipelinePlan", images: int, workers: str) -> tuple["Engine", "PipelinePlan"]:
        """This process for few images, which are done before workers have started; else Ray, and always a cluster."""
        from autotag.compute.engine import InProcessEngine
        from autotag.pipeline.plan import in_process_plan

        if images < self.settings.compute.in_process_below and not self.settings.ray.address:
            engine = self._engine("in process", lambda _: InProcessEngine())
            return engine, in_process_plan(plan, self._cores())
        return self._workers(workers), plan

    def _workers(self, kind: str) -> "Engine":
        """Actors that the steps of a run share, or Ray Data with a pool of its own a step."""
        from autotag.compute.ray_actor_engine import RayActorEngine
        from autotag.compute.ray_data_engine import RayDataEngine

        return self._engine(kind, RayDataEngine if kind == "data" else RayActorEngine)

    def vote_rules(self) -> "VoteRules":
        """The settings' rules of the vote."""
        from autotag.pipeline.vote_settings import vote_rules

        return vote_rules(self.settings)

    def search_options(self) -> "SearchOptions":
        """How the reference index is searched."""
        from autotag.pipeline.vote_settings import search_options

        return search_options(self.settings)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """End the engines, also when the run failed or was cancelled."""
        del context
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    def _of_run(self) -> RunSettings | None:
        """The run's settings, read once in this process; None outside of a run."""
        context = self._context
        if self._run_settings is None and context is not None and context.run is not None:
            instance = context.instance or dg.DagsterInstance.get()
            self._run_settings = settings_of_run(context.run, instance, self.config, self.overrides)
        return self._run_settings

    def _cores(self) -> int:
        return self.settings.ray.num_cpus or os.cpu_count() or 1

    def _engine(self, name: str, make: "Callable[[RaySpec], Engine]") -> "Engine":
        from autotag.pipeline.plan import ray_spec

        if name not in self._engines:
            self._engines[name] = make(ray_spec(self.settings))
        return self._engines[name]
