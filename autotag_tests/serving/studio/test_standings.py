import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from autotag.domain.ledger_entries import Action, Decision
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.serving.studio.standings import LiveStandings, latest_standings

MEDIA = [f"{number:064x}" for number in range(8)]


def tags(found: LiveStandings) -> list[list[str]]:
    return [[each.tag for each in found.tags[media]] for media in MEDIA]


def test_what_was_handed_out_stays_as_it_was(tmp_path: Path) -> None:
    with TagLedger.open(f"sqlite:///{tmp_path}/ledger.sqlite") as ledger:
        before = latest_standings((str(tmp_path),), ledger, MEDIA)
        ledger.decide([Decision(MEDIA[0], "bird", Action.ADD)], "ann")
        after = latest_standings((str(tmp_path),), ledger, MEDIA)
        assert tags(before) == [[]] * 8
        assert tags(after) == [["bird"]] + [[]] * 7
        assert before.position < after.position == ledger.latest()


def test_no_tab_ever_sees_an_image_without_the_tags_that_stand(tmp_path: Path) -> None:
    with TagLedger.open(f"sqlite:///{tmp_path}/ledger.sqlite") as ledger:
        ledger.decide([Decision(media, "bird", Action.ADD) for media in MEDIA], "ann")
        latest_standings((str(tmp_path),), ledger, MEDIA)
        over = threading.Event()

        def look() -> bool:
            is_whole = True
            while not over.is_set():
                found = latest_standings((str(tmp_path),), ledger, MEDIA)
                is_whole &= all(map(bool, tags(found)))
            return is_whole

        with ThreadPoolExecutor(3) as tabs:
            looks = [tabs.submit(look) for _ in range(3)]
            for number in range(20):
                ledger.decide([Decision(media, f"tag {number}", Action.ADD) for media in MEDIA], "ann")
            over.set()
            assert all(each.result() for each in looks)
