"""Networks in OpenVINO on the CPU: packing one into arrays, and running it over many inputs."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autotag.errors import SettingsError
from autotag.models.specs import ModelSpec
from autotag.models.starter.derived_files import Arrays

if TYPE_CHECKING:
    import openvino

Outputs = list[npt.NDArray[np.float32]]


def openvino_version() -> str:
    """The installed release, e.g. `2026.4.1`: part of the name of every converted network."""
    return version("openvino")


def require_cpu(spec: ModelSpec) -> None:
    """Refuse any other device.

    Raises:
        SettingsError: `spec.device` is not "cpu".
    """
    if spec.device != "cpu":
        raise SettingsError(
            f'models.device = "{spec.device}": the starter models run on the CPU only; '
            'set models.device = "cpu", or name another detector and embedder.'
        )


def network(results: list[openvino.Output], parameters: list[openvino.Node], name: str) -> openvino.Model:
    """The part of a graph between `parameters` and `results`."""
    import openvino
    from openvino import opset13

    # The stubs of OpenVINO name two classes of models and mix them up.
    ends = [opset13.result(result) for result in results]
    return openvino.Model(ends, parameters, name)  # pyright: ignore[reportGeneralTypeIssues]


def pack_network(model: openvino.Model, half: bool = False) -> Arrays:
    """A network as two byte arrays, `xml` and `weights`; `half` keeps the weights as float16."""
    import openvino

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "network.xml"
        openvino.save_model(model, path, compress_to_fp16=half)
        return {
            "xml": np.frombuffer(path.read_bytes(), np.uint8),
            "weights": np.frombuffer(path.with_suffix(".bin").read_bytes(), np.uint8),
        }


class CpuNetwork:
    """A network with static input shapes, ready to run."""

    def __init__(self, packed: Arrays, threads: int, precise: bool = False) -> None:
        """Compile for this machine.

        Args:
            packed: as `pack_network` made it.
            threads: inputs in work at a time, each on one thread; 0 leaves both numbers to OpenVINO.
            precise: float32 throughout; otherwise bfloat16 where the CPU has it, which halves the time.
        """
        import openvino

        core = openvino.Core()
        model = core.read_model(packed["xml"].tobytes(), openvino.Tensor(packed["weights"]))
        self._queue = openvino.AsyncInferQueue(
            core.compile_model(model, "CPU", _config(threads, precise)), threads
        )
        self._queue.set_callback(_keep)
        self._one_run = threading.Lock()

    def run(self, inputs: Iterable[Any]) -> list[Outputs]:
        """The outputs for each input, in order.

        Each input is a forward pass of its own: an answer cannot depend on its neighbours, one thread an input is the
        fastest way to fill several cores, and while the network works the caller's thread prepares the next input. Calls from
        several threads wait for each other.
        """
        kept: dict[int, Outputs] = {}
        count = 0
        with self._one_run:
            try:
                for values in inputs:
                    self._queue.start_async(values, userdata=(kept, count))
                    count += 1
            finally:
                self._queue.wait_all()
        return [kept[position] for position in range(count)]


def _keep(request: openvino.InferRequest, place: tuple[dict[int, Outputs], int]) -> None:
    kept, position = place
    kept[position] = [tensor.data.copy() for tensor in request.output_tensors]


def _config(threads: int, precise: bool) -> dict[str, Any]:
    # Without this every worker process pins its threads to the same first cores.
    config: dict[str, Any] = {"ENABLE_CPU_PINNING": False, "PERFORMANCE_HINT": "THROUGHPUT"}
    if threads:
        config |= {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}
    if precise:
        config["INFERENCE_PRECISION_HINT"] = "f32"
    return config
