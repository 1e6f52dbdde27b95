"""Networks in OpenVINO on the CPU: packing one into arrays, keeping it compiled, and running it over many inputs."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autotag.errors import SettingsError
from autotag.models.specs import ModelSpec
from autotag.models.starter.derived_files import Arrays, derived_arrays

if TYPE_CHECKING:
    import openvino

Outputs = list[npt.NDArray[np.float32]]

_REQUESTS_A_THREAD = 2
"""One in work and one ready: a thread that waits for Python to copy its next input in does nothing meanwhile."""


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

    def __init__(
        self, spec: ModelSpec, name: str, convert: Callable[[], Arrays], precise: bool = False
    ) -> None:
        """Load the network that `spec.cache_dir` keeps compiled for this kind of CPU, or make it and keep it there.

        Args:
            spec: cache directory, and threads: inputs in work at a time, each on one thread; 0 leaves both numbers to
                OpenVINO.
            name: stands for the weights and for what `convert` does; OpenVINO's version is added.
            convert: gives the network as `pack_network` packs it; slow.
            precise: float32 throughout; otherwise bfloat16 where the CPU has it, which halves the time.
        """
        import openvino

        name = f"{name}-ov{version('openvino')}"
        config = _config(spec.threads, precise)
        if spec.cache_dir is None:
            compiled = _compiled(convert(), config)
        else:
            kept = derived_arrays(
                spec.cache_dir,
                f"{name}-{_this_cpu(precise)}",
                lambda: _exported(derived_arrays(spec.cache_dir, name, convert), config),
            )
            compiled = openvino.Core().import_model(kept["compiled"].tobytes(), "CPU", config)
        self._queue = openvino.AsyncInferQueue(compiled, _REQUESTS_A_THREAD * spec.threads)
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


def _compiled(packed: Arrays, config: dict[str, Any]) -> openvino.CompiledModel:
    import openvino

    core = openvino.Core()
    model = core.read_model(packed["xml"].tobytes(), openvino.Tensor(packed["weights"]))
    return core.compile_model(model, "CPU", config)


def _exported(packed: Arrays, config: dict[str, Any]) -> Arrays:
    """The compiled network, which another process loads in a third of the time. Threads are settled anew there."""
    return {"compiled": np.frombuffer(_compiled(packed, config).export_model().getvalue(), np.uint8)}


def _this_cpu(precise: bool) -> str:
    """What a compiled network is made for: machines that share a cache directory may differ."""
    import openvino

    core = openvino.Core()
    facts = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    return hashlib.sha256(repr([*facts, precise]).encode()).hexdigest()[:8]


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
