"""The grid and the detail view over folders made by hand, each visit a tab of its own."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from streamlit.testing.v1 import AppTest

from autotag.domain.ledger_entries import Proposal, Standing
from autotag.pipeline.plan import PipelinePlan
from autotag.review.folder_view import FolderView
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag_tests.review.folder_views import view_of

NOW: list[FolderView] = []
"""The folder as the page finds it with its next run; the last entry."""


def tab(config: str) -> None:
    """What Streamlit runs: one view of a page, and what the page would say."""
    from pathlib import Path

    import streamlit as st

    from autotag.review.review_queue import Minimum
    from autotag.serving.studio.detail import detail
    from autotag.serving.studio.review import review
    from autotag.serving.studio.sidebar import Choices
    from autotag.serving.studio.undo import FAILED
    from autotag.serving.studio.workbench import Workbench
    from autotag.settings import Settings
    from autotag_tests.serving.studio.grids import NOW

    bench = Workbench.of(Settings.load(Path(config)))
    chosen = Choices("f", Minimum({"vote": 0.5, "zero_shot": 0.5}, {}), 10_000, {})
    if failed := st.session_state.pop(FAILED, ""):
        st.error(failed)
    if "image" in st.query_params:
        detail(bench, chosen, NOW[-1], st.query_params["image"])
    else:
        review(bench, chosen, NOW[-1])


@dataclass
class Desk:
    """A folder of images with suggestions, its ledger, and the tabs that show it."""

    config: Path
    plan: PipelinePlan
    settings: Settings
    names: dict[str, str] = field(default_factory=dict)

    def holds(
        self, suggestions: dict[str, list[tuple[str, str, float]]], groups: list[int] | None = None
    ) -> None:
        """The folder is this from now on; an image keeps its media id."""
        Path(self.plan.layout.data.path).mkdir(exist_ok=True)
        for file in suggestions:
            self.names.setdefault(file, f"{len(self.names):064x}")
        view = view_of(suggestions, groups)
        media = [self.names[file] for file in view.files]
        NOW.append(replace(view, media_ids=media, state=f"{self.config} {len(NOW)}"))

    def birds(self, count: int) -> list[str]:
        """The folder is so many images, all believed to be birds; their names."""
        files = [f"p{number:03d}.jpg" for number in range(count)]
        self.holds({file: [("vote", "bird", 0.8)] for file in files})
        return files

    def ledger(self) -> TagLedger:
        return TagLedger.open(ledger_url(self.settings, self.plan.layout))

    def proposes(self, file: str, tags: Iterable[str]) -> None:
        """A run proposes these tags for an image, and no others."""
        media = self.names[file]
        with self.ledger() as ledger:
            found = [Proposal(media, tag, "vote", 0.8) for tag in tags]
            ledger.propose("run", "m", [media], ["vote"], found)

    def given(self, standing: Standing = Standing.APPROVED) -> dict[str, list[str]]:
        """Tags that stand so, by file; files without any left out."""
        with self.ledger() as ledger:
            found = ledger.effective(self.names.values())
        told = {
            file: sorted(each.tag for each in found[media] if each.standing is standing)
            for file, media in self.names.items()
        }
        return {file: tags for file, tags in told.items() if tags}

    def visit(self, **query: str) -> AppTest:
        """Another tab, each image on a card of its own unless asked for otherwise, by name."""
        page = AppTest.from_function(tab, args=(str(self.config),), default_timeout=60)
        for name, value in {"grouped": "false", "order": "by name", **query}.items():
            page.query_params[name] = value
        return checked(page.run())


def checked(page: AppTest) -> AppTest:
    assert not page.exception, page.exception
    return page


def files_of(page: AppTest) -> list[str]:
    """Names on the cards, in order."""
    bodies = [each.proto.body for each in page.get("html") if "cardname" in each.proto.body]
    return [body.partition('class="cardname" title="')[2].partition('"')[0] for body in bodies]


def press(page: AppTest, name: str, which: int = 0) -> AppTest:
    """Click the button whose name begins so, the first of them or another one."""
    found = [each for each in page.button if str(each.key).startswith(name)]
    return checked(found[which].click().run())


def said(page: AppTest) -> str:
    """What the page says of what went wrong."""
    return "\n".join(each.value for each in (*page.error, *page.warning, *page.toast))
