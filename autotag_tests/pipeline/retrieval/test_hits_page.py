import base64
import io
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from upath import UPath

from autotag.models.fakes import FakeEmbedder
from autotag.pipeline.retrieval.hits_page import write_hits_page
from autotag.search.store_index import open_store_index
from autotag.search.store_search import search_store
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.retrieval.stores import TestStore


@pytest.fixture
def page(store: TestStore, tmp_path: Path):
    def write(query: str) -> str:
        index = open_store_index(store.layout, store.plan.model_id, tmp_path / "cache" / "stores")
        hits = search_store(index, FakeEmbedder(), query, 9)
        write_hits_page(UPath(tmp_path / "hits.html"), query, hits, index.release, store.plan.limits)
        return (tmp_path / "hits.html").read_text(encoding="utf-8")

    return write


def test_the_page_shows_each_hit_with_its_score_and_picture(store: TestStore, page) -> None:
    store.colours()
    store.put("<b>&.png", coloured("yellow", 9))
    store.manifest()
    store.embed()
    store.index()
    text = page("red <script>")
    assert "red &lt;script&gt;" in text
    assert "<script>" not in text
    assert "&lt;b&gt;&amp;.png" in text
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert len(pictures) == 4
    assert Image.open(io.BytesIO(base64.b64decode(pictures[0]))).size == (64, 64)
    scores = [float(score) for score in re.findall(r"<b>\d+ · (-?\d\.\d+)</b>", text)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 4


def test_a_file_that_is_gone_or_changed_has_the_reason_for_a_picture(store: TestStore, page) -> None:
    store.colours()
    store.manifest()
    store.embed()
    store.index()
    (store.images / "red.png").unlink()
    store.put("blue.png", coloured("green", 44))
    text = page("red")
    assert len(re.findall("data:image/jpeg", text)) == 1
    assert "No such file" in text
    assert "was changed" in text
    shutil.rmtree(store.images)
    assert page("red").count("its folder is gone") == 3
