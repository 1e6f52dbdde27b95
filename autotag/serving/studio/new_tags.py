"""What no tag explains: clusters with their pictures and words; a person names one, or dismisses it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import streamlit as st
from upath import UPath

from autotag.domain.ledger_entries import Standing
from autotag.errors import AutotagError, MissingInputError
from autotag.pipeline.discovered_clusters import (
    Cluster,
    accept_cluster,
    clusters_path,
    read_clusters,
    read_counts,
)
from autotag.pipeline.discovery_page import Tile, region_pictures, tiles_of
from autotag.serving.studio.chips import cluster_html, plain_markdown
from autotag.serving.studio.commands import start_command
from autotag.serving.studio.dismissed import dismiss, dismissed, show_again
from autotag.serving.studio.ledgers import ledger_to_write
from autotag.serving.studio.sidebar import URL, Choices
from autotag.serving.studio.undo import FAILED, remember, undo_button
from autotag.serving.studio.verdicts import spelled
from autotag.serving.studio.workbench import Workbench, file_state
from autotag.storage.layout import Layout

HERE, EVERYWHERE = "this folder", "all folders"
CLUSTERS_A_PAGE = 4
CLUSTERS_KEPT = 64
PAGE_FIELD_PX = 160


def new_tags(bench: Workbench, chosen: Choices) -> None:
    """The clusters of the last discovery that wait for a name, the largest first, then those that have one."""
    key = _scope(bench, chosen)
    path = clusters_path(bench.plan.layout, key)
    try:
        clusters = _clusters(ascii(str(path)), file_state(path), bench.plan.layout, key)
    except MissingInputError:
        st.info(_where_to_look(bench, key, chosen.folder))
        return
    if not clusters:
        st.success(_nothing_found(bench, key))
        return
    names, aside = _named_since(bench, clusters, path), dismissed(bench.plan.layout, key)
    waiting = [each for each in clusters if not names.get(each.name) and each.name not in aside]
    st.caption(
        f"{len(waiting):,} of {len(clusters):,} clusters wait for a name. Each holds regions that look alike and that no tag,"
        " voter or label explains. A name is added to all images of a cluster; *Undo* takes it back."
    )
    if not waiting:
        st.success("Nothing is left to name here.")
    pages = max(1, -(-len(waiting) // CLUSTERS_A_PAGE))
    page = (
        int(st.number_input("Page", 1, pages, key="clusters_page", width=PAGE_FIELD_PX)) if pages > 1 else 1
    )
    for cluster in waiting[(page - 1) * CLUSTERS_A_PAGE : page * CLUSTERS_A_PAGE]:
        _card(bench, key, cluster)
    _judged(bench, key, clusters, names, aside)


def _where_to_look(bench: Workbench, key: str | None, folder: str) -> str:
    """For a view of which nobody has discovered anything yet; the other view may have been."""
    press = "*Look through all folders*" if key is None else "*Find new tags* in the sidebar"
    keys = bench.folders() if key is None else [key]
    is_embedded = any(bench.tables(each).embeddings.exists() for each in keys)
    first = "press" if is_embedded else "nothing is embedded, either: press *Embed* in the sidebar, then"
    told = f"Nobody has looked for new tags here yet: {first} {press}."
    layout, (other, name) = bench.plan.layout, (folder, HERE) if key is None else (None, EVERYWHERE)
    is_known = other != "" and clusters_path(layout, other).exists()
    return f"{told} What was found before is under **{name}** above." if is_known else told


def _nothing_found(bench: Workbench, key: str | None) -> str:
    """Of a discovery that found no cluster: what became of the regions."""
    counts = read_counts(bench.plan.layout, key)
    return (
        f"The last look found nothing new: of {counts.taken:,} regions {counts.explained:,} are explained by a tag, a voter or"
        f" a label, and {counts.alone:,} are too unlike or too few to be a tag of their own."
    )


def _scope(bench: Workbench, chosen: Choices) -> str | None:
    """Key of the folder that is meant; None for all together."""
    columns = st.columns([3, 1.6, 1], vertical_alignment="center")
    with columns[0]:
        options = (HERE, EVERYWHERE) if chosen.folder else (EVERYWHERE,)
        scope = st.segmented_control(
            "Of",
            options,
            default=options[0],
            required=True,
            key="scope",
            label_visibility="collapsed",
            bind=URL,
        )
    if scope == EVERYWHERE:
        with columns[1]:
            if st.button("Look through all folders", key="run-discover-all", width="stretch"):
                start_command(bench, "Find new tags: all folders", ["discover"], "", chosen.overrides)
    with columns[2]:
        undo_button(bench)
    return None if scope == EVERYWHERE else chosen.folder


def _card(bench: Workbench, key: str | None, cluster: Cluster) -> None:
    images = len(cluster.media_ids)
    with st.container(border=True):
        with st.spinner("Cutting out pictures ..."):
            layout, wanted = repr(bench.plan.layout), bench.settings.discovery.tiles
            tiles = _tiles(layout, cluster.name, wanted, bench, cluster)
        st.html(cluster_html(cluster, tiles))
        columns = st.columns([3, 1.6, 1], vertical_alignment="bottom")
        with columns[0]:
            tag = st.selectbox(
                "Name",
                list(dict.fromkeys(each.word for each in cluster.words)),
                index=None,
                key=f"name-{cluster.name}",
                label_visibility="collapsed",
                placeholder="What do they show? Choose a word, or type one and press Enter",
                accept_new_options=True,
            )
        with columns[1]:
            st.button(
                f"Add to {images:,} images",
                key=f"accept-{cluster.name}",
                type="primary",
                width="stretch",
                disabled=not (tag and tag.strip()),
                on_click=_accept,
                args=(bench, cluster, tag or ""),
            )
        with columns[2]:
            st.button(
                "Dismiss",
                key=f"dismiss-{cluster.name}",
                width="stretch",
                on_click=_record,
                args=(dismiss, bench.plan.layout, key, cluster.name),
            )


def _judged(
    bench: Workbench,
    key: str | None,
    clusters: Sequence[Cluster],
    names: dict[str, list[str]],
    aside: frozenset[str],
) -> None:
    """What was named or dismissed, a line each."""
    judged = [each for each in clusters if names.get(each.name) or each.name in aside]
    if not judged:
        return
    with st.expander(f"{len(judged):,} named or dismissed"):
        for cluster in judged:
            told, again = st.columns([5, 1], vertical_alignment="center")
            tags = ", ".join(names.get(cluster.name, ())) or "dismissed"
            told.markdown(f"**{plain_markdown(tags)}** · {len(cluster.media_ids):,} images · {cluster.name}")
            if cluster.name in aside:
                again.button(
                    "Show again",
                    key=f"again-{cluster.name}",
                    on_click=_record,
                    args=(show_again, bench.plan.layout, key, cluster.name),
                )


def _accept(bench: Workbench, cluster: Cluster, tag: str) -> None:
    known = [each.word for each in cluster.words]
    wanted = tag if tag in known else spelled(tag, known)
    try:
        remember(accept_cluster(ledger_to_write(bench.ledger_url), cluster, wanted, bench.reviewer))
    except AutotagError as error:
        st.session_state[FAILED] = str(error)
        return
    st.toast(f"{plain_markdown(wanted)} added to {len(cluster.media_ids):,} images")


def _record(
    what: Callable[[Layout, str | None, str], None], layout: Layout, key: str | None, cluster: str
) -> None:
    try:
        what(layout, key, cluster)
    except AutotagError as error:
        st.session_state[FAILED] = str(error)


def _named_since(bench: Workbench, clusters: Sequence[Cluster], path: UPath) -> dict[str, list[str]]:
    """Tags that people gave to all images of a cluster since it was found, by the cluster's name.

    The ledger says so itself: an undo, another tab and the command line count.
    """
    found_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    media = dict.fromkeys(media for cluster in clusters for media in cluster.media_ids)
    given = {
        media_id: {
            each.tag
            for each in tags
            if each.standing is Standing.APPROVED and each.decided_at and each.decided_at >= found_at
        }
        for media_id, tags in bench.ledger.effective(media).items()
    }
    return {
        each.name: sorted(set.intersection(*(given.get(media_id, set()) for media_id in each.media_ids)))
        for each in clusters
    }


@st.cache_resource(max_entries=8, show_spinner=False)
def _clusters(path: str, state: str, _layout: Layout, _key: str | None) -> list[Cluster]:
    del path, state
    return read_clusters(_layout, _key)


@st.cache_resource(max_entries=CLUSTERS_KEPT, show_spinner=False)
def _tiles(layout: str, name: str, wanted: int, _bench: Workbench, _cluster: Cluster) -> list[Tile]:
    del layout, name
    return tiles_of(region_pictures(_bench.plan, _cluster.one_an_image, wanted))
