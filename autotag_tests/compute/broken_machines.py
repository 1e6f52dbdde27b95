"""Units that kill their workers, and a run over them."""

from pathlib import Path

from autotag.compute.deaths import HOPELESS_UNITS
from autotag.compute.engine import Engine, UnitResult, WorkerPlan
from autotag_tests.compute.engine_workers import Behaviour

BAD = [f"dies-{number}" for number in range(HOPELESS_UNITS + 2)]


def run(engine: Engine, worker: type[Behaviour], directory: Path, units: list[str]) -> dict[str, UnitResult]:
    """Results by unit, after a run that died over one which is done since: in process, units need that to die apart."""
    (directory / "begun good-0").write_text("x")
    results = list(engine.run(WorkerPlan(worker, (directory,)), ["good-0", *units]))
    assert sorted(result.unit for result in results) == sorted(["good-0", *units])
    return {result.unit: result for result in results}
