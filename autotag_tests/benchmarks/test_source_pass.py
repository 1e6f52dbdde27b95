import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks import measured_pass, memory, source_pass
from benchmarks.bare_models import Limit, measure_limits
from benchmarks.corpus import make_archive
from benchmarks.measured_pass import CountsDoNotCloseError, PassOptions, check_counts, run_source_pass
from benchmarks.pass_process import PassRequest, run_pass
from benchmarks.watched_process import REPOSITORY, Watched

FAKES = {"models": {"detector": "fake", "embedder": "fake"}, "compute": {"batch_images": 2}}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_archive(tmp_path_factory.mktemp("corpora"), 5, 2)


@pytest.fixture(scope="module")
def told(corpus, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("pass")
    (scratch / "times").mkdir()
    options = PassOptions("in-process", 1, FAKES)
    settings = measured_pass.settings_for(corpus, scratch, options)
    return run_pass(PassRequest(settings, "in-process", 1, list(corpus.shards), str(scratch / "times")))


def _changed(told, step, **counts):
    copy = json.loads(json.dumps(told))
    copy["steps"][step]["counts"].update(counts)
    return copy


def test_counts_of_a_whole_pass_close(corpus, told):
    check_counts(told, list(corpus.shards), 5)
    assert told["steps"]["source_images"]["counts"]["in"] == 5
    assert set(told["steps"]["source_embeddings"]["units"]) == set(corpus.shards)


@pytest.mark.parametrize(
    ("step", "counts", "message"),
    [
        ("source_images", {"in": 4}, "images read: 4 instead of 5"),
        ("source_images", {"rejected": 1}, "out \\+ rejected \\+ duplicates: 5 instead of 6"),
        ("source_embeddings", {"in": 6}, "images to embed: 6 instead of 5"),
        ("source_embeddings", {"regions": 1}, "rows of embeddings: .* instead of 1"),
        ("source_embeddings", {"resumed": 1}, "units done by this run: 1 instead of 2"),
    ],
)
def test_counts_that_do_not_close_void_the_figures(corpus, told, step, counts, message):
    with pytest.raises(CountsDoNotCloseError, match=message):
        check_counts(_changed(told, step, **counts), list(corpus.shards), 5)


def test_rows_missing_from_a_table_void_the_figures(corpus, told, tmp_path):
    for name in ("images", "embeddings"):
        (tmp_path / name).mkdir()
        for shard in corpus.shards:
            file = f"{name}/shard={shard}.parquet"
            table = pq.read_table(f"{told['tables']}/{file}")
            pq.write_table(table.slice(1) if name == "embeddings" else table, tmp_path / file)
    with pytest.raises(CountsDoNotCloseError, match="rows of embeddings"):
        check_counts({**told, "tables": str(tmp_path)}, list(corpus.shards), 5)


def _lose_row(told, table):
    path = next(Path(told["tables"], table).iterdir())
    pq.write_table(pq.read_table(path).slice(1), path)


def _lose_image(told, _):
    """As from a tar that was read up to its last picture but one: the rest agrees."""
    for step in told["steps"].values():
        step["counts"]["in"] -= 1


LOSSES = [(_lose_row, "images"), (_lose_row, "embeddings"), (_lose_image, "")]
LIMIT = Limit("cut", 1, 1, 4, 8, 1.0, 1.0, 1.0)


def pass_in_this_process(monkeypatch, lose):
    """A benchmark's passes run here and `lose` changes what came of them."""

    def watch(command):
        told = run_pass(PassRequest(**json.loads(Path(command[-1]).read_text())))
        lose(told)
        return Watched(json.dumps({"entered": 1.0, **told}), "", 0.0, 2.0, 1.0, 50.0)

    monkeypatch.setattr(measured_pass, "watch", watch)
    monkeypatch.setattr(source_pass, "measure_limits", lambda bare, cores: [LIMIT])


def run_main(monkeypatch, corpus, benchmark, *words):
    given = ["--engine", "in-process", "--cores", "1", "--dir", str(corpus.root.parent), "--json"]
    fakes = ["--detector", "fake", "--embedder", "fake"]
    monkeypatch.setattr(sys, "argv", ["benchmark", *given, *fakes, *words])
    return benchmark.main()


def test_the_command_gives_figures_when_the_counts_close(monkeypatch, capsys, corpus):
    pass_in_this_process(monkeypatch, lambda told: None)
    assert run_main(monkeypatch, corpus, source_pass, "--images", "5", "--shards", "2", "--repeat", "2") == 0
    told = capsys.readouterr()
    assert "counts close; median of 2" in told.out
    assert json.loads(told.out.splitlines()[-1])["images"] == 5


@pytest.mark.parametrize(("lose", "table"), LOSSES)
def test_the_command_ends_with_one_and_gives_no_figures_when_an_image_is_lost(
    monkeypatch, capsys, corpus, lose, table
):
    pass_in_this_process(monkeypatch, lambda told: lose(told, table))
    assert run_main(monkeypatch, corpus, source_pass, "--images", "5", "--shards", "2") == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert re.match(r"failed: .*: \d+ instead of \d+", told.err)


@pytest.mark.parametrize(("lose", "table"), LOSSES)
def test_memory_is_not_judged_when_an_image_is_lost_in_the_longer_pass(
    monkeypatch, capsys, corpus, lose, table
):
    words = ["--few", "1", "--many", "2", "--images-per-shard", "2"]
    pass_in_this_process(monkeypatch, lambda told: None)
    assert run_main(monkeypatch, corpus, memory, *words) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ratio"] == 1

    def lose_in_longer(told):
        if len(told["steps"]["source_images"]["units"]) == 2:
            lose(told, table)

    pass_in_this_process(monkeypatch, lose_in_longer)
    assert run_main(monkeypatch, corpus, memory, *words) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert re.match(r"failed: .*: \d+ instead of \d+", told.err)


def test_ratios_are_of_figures_of_one_repeat(told):
    figures = measured_pass.PassFigures(100, 300, 10.0, 5.0, 1.0, 2.0, 0.5, 100.0, 12.0, {"detect": 1.0})
    limit = Limit("cut", 1, 2, 40, 120, 2.0, 30.0, 40.0)
    slower = [[replace(limit, seconds=4.0), replace(limit, seconds=8.0)]]
    facts = source_pass.report([figures, replace(figures, seconds=20.0)], [[limit], *slower])
    assert facts["limit_cut"]["end_to_end_ratio"] == 0.5
    assert facts["limit_cut"]["steady_ratio"] == 1.5
    assert facts["images_per_s"] == 7.5


@pytest.mark.slow
def test_the_bare_models_answer_for_every_image_and_crop(corpus):
    bare = source_pass.bare_models(corpus, PassOptions("in-process", 2, FAKES), 4)
    limits = measure_limits(bare, 2)
    assert [(limit.processes, limit.threads, limit.images) for limit in limits] == [(1, 2, 4), (2, 1, 4)]
    assert limits[0].crops == limits[1].crops >= 4
    assert all(limit.images_per_s > 0 for limit in limits)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["in-process", "actors", "data"])
def test_a_pass_in_a_new_process_gives_figures(corpus, engine):
    figures = run_source_pass(corpus, list(corpus.shards), PassOptions(engine, 2, FAKES))
    assert figures.images == 5
    assert figures.crops >= 5
    assert 0 < figures.steady_s < figures.seconds
    assert figures.peak_mib > 10
    assert (figures.ray_start_s > 0) == (engine != "in-process")


@pytest.mark.slow
def test_the_command_prints_one_json_object_as_its_last_line(corpus):
    given = [
        "--images",
        "5",
        "--shards",
        "2",
        "--limit-images",
        "4",
        "--engine",
        "in-process",
        "--dir",
        str(corpus.root.parent),
    ]
    models = ["--detector", "fake", "--embedder", "fake", "--set", "compute.batch_images=2", "--json"]
    command = [sys.executable, "-m", "benchmarks.source_pass", *given, *models]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["images"] == 5
    assert facts["limit_cut"]["end_to_end_ratio"] > 0
