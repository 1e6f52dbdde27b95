from datetime import UTC, datetime
from html import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from autotag.domain.ledger_entries import EffectiveTag, Standing
from autotag.pipeline.discovered_clusters import Cluster, ClusterWord
from autotag.review.folder_view import Suggestion
from autotag.serving.studio.chips import chips_html, chips_of, cluster_html, name_html, plain_markdown

APPROVED = EffectiveTag("cat", Standing.APPROVED, {"vote": 0.8}, {}, "ann", datetime(2026, 1, 1, tzinfo=UTC))


def test_decided_tags_come_first_and_are_not_told_twice():
    found = chips_of([APPROVED], [Suggestion("cat", "vote", 0.8), Suggestion("owl", "vote", 0.5)])
    assert [(each.tag, each.kind, each.told) for each in found] == [
        ("cat", "approved", "vote 0.80"),
        ("owl", "vote", "vote 0.50"),
    ]


def test_what_is_not_believed_is_marked_so():
    (chip,) = chips_of([], [], [Suggestion("elk", "zero_shot", 0.1)])
    assert chip.is_weak
    assert 'class="chip zero_shot weak"' in chips_html([chip])


def test_tags_and_names_of_strangers_are_no_html():
    html = chips_html(chips_of([], [Suggestion("<script>", "vote", 0.5)]))
    assert "<script>" not in html
    assert "<b>" not in name_html('"><b>x', 0, decided=False)


def test_words_of_a_cluster_are_told_and_are_no_chips():
    words = (ClusterWord("heron", 0.52, "vocabulary"), ClusterWord("<b>", 0.4, "detector"))
    html = cluster_html(Cluster("aaaa", 0.9, words, ()), [])
    assert "Words that come near: heron <i>0.52</i>, &lt;b&gt; <i>0.40 detector</i>" in html
    assert "chip" not in html


def test_a_reason_stands_where_there_are_no_tags():
    assert "nothing is alike" in chips_html([], "nothing is alike")
    assert "nothing is alike" not in chips_html(chips_of([APPROVED], []), "nothing is alike")


@pytest.mark.parametrize("name", [":red[x]", ":material/check:", ":dog:", "$a$", "~~x~~", "`x`", "a|b"])
def test_no_directive_of_the_page_is_left_in_a_name(name: str):
    assert all(
        before == "\\"
        for before, mark in zip(" " + plain_markdown(name), plain_markdown(name), strict=False)
        if mark in ":[]$~`|"
    )


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1))
@example("__init__ *b* [l](http://x) <b>&amp;</b> \\")
@example("1. one")
@example("- dash")
@example("    # four spaces")
@example("two\n\nparagraphs")
def test_a_name_is_read_as_it_is_written(name: str):
    shown = " ".join(name.split())
    wanted = f"<p>{escape(shown)}</p>\n".replace("&#x27;", "'") if shown else ""
    assert MarkdownIt("commonmark").render(plain_markdown(name)) == wanted
    inside = MarkdownIt("commonmark").renderInline(f"Why **{plain_markdown('a' + name)}**?")
    assert inside.startswith("Why <strong>a")
    assert inside.endswith("</strong>?")
