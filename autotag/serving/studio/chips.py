"""Tags as small coloured marks, in HTML."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from autotag.domain.ledger_entries import ANY_TAG, EffectiveTag, Standing
from autotag.pipeline.discovered_clusters import Cluster
from autotag.pipeline.discovery_page import Tile
from autotag.review.folder_view import Suggestion
from autotag.storage.folder_files import printable

STYLE = """
<style>
.thumb { display: block; width: 100%; height: 150px; object-fit: contain; background: #f3f3f3; border-radius: 6px; margin: 0 0 6px; }
.missing { font-size: 11px; opacity: .65; padding: 8px; }
.medoid .thumb { height: 96px; }
:is([class*="st-key-yes-"], [class*="st-key-no-"], [class*="st-key-look-"]) button:has([data-testid="stIconMaterial"]) [data-testid="stMarkdownContainer"]
{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.chips { display: flex; flex-wrap: wrap; gap: 3px; margin: 0 0 2px; min-height: 22px; }
.chip { font-size: 11.5px; line-height: 18px; padding: 0 7px; border-radius: 9px; border: 1px solid; white-space: nowrap; max-width: 100%; overflow: hidden; text-overflow: ellipsis; }
.chip i { font-style: normal; opacity: .72; font-size: 10.5px; margin-left: 4px; }
.chip.vote { color: #174ea6; border-color: #a9c4f5; background: #eaf1fe; }
.chip.zero_shot { color: #7a4a00; border-color: #eccb93; background: #fdf3e1; }
.chip.approved { color: #fff; border-color: #1b7f4b; background: #1b7f4b; }
.chip.rejected { color: #8a8a8a; border-color: #ddd; background: #fafafa; text-decoration: line-through; }
.chip.weak { opacity: .55; border-style: dashed; }
.cardname { font-size: 12px; line-height: 15px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; margin: 0 0 4px; }
.cardname b { color: #1b7f4b; }
.cardname span { opacity: .65; }
.words { font-size: 12.5px; margin: 0 0 2px; }
.words i { font-style: normal; opacity: .65; font-size: 11px; }
.cluster { font-size: 13px; margin: 0 0 6px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(120px, 1fr)); gap: 6px; margin: 6px 0 0; }
.tiles img { width: 100%; height: 120px; object-fit: contain; background: #f3f3f3; border-radius: 6px; }
.reason { font-size: 11px; opacity: .65; margin: -4px 0 2px; }
div[data-testid="stImage"] img { height: 150px; object-fit: contain; background: #f3f3f3; border-radius: 6px; }
div[class*="st-key-large"] div[data-testid="stImage"] img { height: auto; max-height: 70vh; }
div[class*="st-key-large"] [data-testid="stElementToolbar"] { top: .5rem !important; right: .5rem; }
div[class*="st-key-thumb"] div[data-testid="stImage"] img { height: 96px; }
.block-container { padding: 2.2rem 2rem 2rem; }
@media (max-width: 640px) { .block-container { padding: 4.2rem 1rem 2rem; } }
.block-container [data-testid="stVerticalBlock"] { gap: .7rem; }
.block-container [data-testid="stColumn"] [data-testid="stVerticalBlock"] { gap: .4rem; }
</style>
"""

SOURCES = {"vote": "vote", "zero_shot": "label"}
"""What people read of a source of tags."""

_MARKS = re.compile(r"[!-/:-@\[-`{-~]")
"""ASCII punctuation: Markdown takes each of them as it is after a backslash."""


@dataclass(frozen=True, slots=True)
class Chip:
    """One mark.

    Attributes:
        tag: the tag.
        kind: "approved", "rejected", "vote" or "zero_shot".
        told: source and score, like `vote 0.83`; empty for what only a person said.
        is_weak: under its threshold: shown, not believed.
    """

    tag: str
    kind: str
    told: str = ""
    is_weak: bool = False


def chips_of(
    standing: Sequence[EffectiveTag], believed: Iterable[Suggestion], weak: Iterable[Suggestion] = ()
) -> list[Chip]:
    """What people decided, then what is believed, then what is not."""
    decided = {
        each.tag: each for each in standing if each.standing is not Standing.PROPOSED and each.tag != ANY_TAG
    }
    marks = [
        Chip(tag, each.standing.value, _scores(each.scores.items()))
        for tag, each in sorted(decided.items(), key=lambda item: (item[1].standing.value, item[0]))
    ]
    marks += [
        Chip(each.tag, each.source, _told(each.source, each.score))
        for each in believed
        if each.tag not in decided
    ]
    shown = {mark.tag for mark in marks}
    marks += [
        Chip(each.tag, each.source, _told(each.source, each.score), is_weak=True)
        for each in weak
        if each.tag not in shown
    ]
    return marks


def chips_html(chips: Sequence[Chip], reason: str = "", *, is_brief: bool = False) -> str:
    """The marks in a line that wraps, and why there are none; brief ones leave the source to their colour and a hint."""
    marks = "".join(
        f'<span class="chip {chip.kind}{" weak" if chip.is_weak else ""}" title="{escape(chip.told, quote=True)}">'
        f"{escape(chip.tag)}{_score_html(chip.told, is_brief=is_brief)}</span>"
        for chip in chips
    )
    told = f'<div class="reason">{escape(reason)}</div>' if reason and not chips else ""
    return f'<div class="chips">{marks}</div>{told}'


def picture_html(address: str, file: str) -> str:
    """A card's picture; a word in its place where there is none.

    Args:
        address: of the thumbnail; empty where there is none.
        file: name of the image.
    """
    if not address:
        return missing_html("no thumbnail yet: press Thumbnails")
    return f'<img class="thumb" src="{escape(address, quote=True)}" alt="{escape(file, quote=True)}">'


def missing_html(told: str) -> str:
    """Words in a picture's place."""
    return f'<div class="thumb missing">{escape(told)}</div>'


def name_html(file: str, further: int, *, decided: bool) -> str:
    """A card's name, whether it is decided, and how many more it stands for."""
    mark = "<b>✓</b> " if decided else ""
    more = f" <span>+{further} alike</span>" if further else ""
    return f'<div class="cardname" title="{escape(file, quote=True)}">{mark}{escape(file)}{more}</div>'


def cluster_html(cluster: Cluster, tiles: Sequence[Tile]) -> str:
    """Sizes of a cluster, words that may name it, and its pictures."""
    words = ", ".join(
        f"{escape(each.word)} <i>{each.score:.2f}"
        f"{'' if each.source == 'vocabulary' else ' ' + escape(each.source)}</i>"
        for each in cluster.words
    )
    pictures = "".join(
        f'<img src="{escape(each.picture, quote=True)}" alt="{escape(each.title, quote=True)}"'
        f' title="{escape(each.title, quote=True)}">'
        for each in tiles
    )
    gone = '<div class="reason">The pictures are not there any more.</div>'
    return (
        f'<div class="cluster"><b>New tag?</b> {len(cluster.media_ids):,} images, {len(cluster.members):,} regions,'
        f" cohesion {cluster.cohesion:.2f}, cluster {escape(cluster.name)}</div>"
        f'<div class="words">Words that come near: {words or "none"}</div><div class="tiles">{pictures or gone}</div>'
    )


def plain_markdown(text: str) -> str:
    """Text of strangers, like a file's name, so that Markdown shows it as it is: no emphasis, formula, colour, icon or HTML.

    All white space becomes one space, as it would on the page; bytes that are no UTF-8 are spelled out; addresses still become
    links.
    """
    return _MARKS.sub(r"\\\g<0>", " ".join(printable(text).split()))


def _score_html(told: str, *, is_brief: bool) -> str:
    shown = told.split(",")[0].rpartition(" ")[2] if is_brief else told
    return f"<i>{escape(shown)}</i>" if shown else ""


def _told(source: str, score: float) -> str:
    return f"{SOURCES[source]} {score:.2f}"


def _scores(scores: Iterable[tuple[str, float]]) -> str:
    return ", ".join(_told(source, score) for source, score in scores)
