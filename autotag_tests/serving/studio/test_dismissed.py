from concurrent.futures import ThreadPoolExecutor

from autotag.pipeline.plan import PipelinePlan
from autotag.serving.studio.dismissed import dismiss, dismissed, show_again


def test_nothing_is_dismissed_at_first(plan: PipelinePlan) -> None:
    assert dismissed(plan.layout, "trip") == frozenset()


def test_a_folder_and_all_folders_together_are_dismissed_apart(plan: PipelinePlan) -> None:
    dismiss(plan.layout, "trip", "a")
    dismiss(plan.layout, None, "b")
    assert dismissed(plan.layout, "trip") == {"a"}
    assert dismissed(plan.layout, None) == {"b"}
    show_again(plan.layout, "trip", "a")
    assert dismissed(plan.layout, "trip") == frozenset()


def test_tabs_that_dismiss_at_once_lose_nothing(plan: PipelinePlan) -> None:
    names = [f"{number:08x}" for number in range(24)]
    with ThreadPoolExecutor(8) as tabs:
        list(tabs.map(lambda name: dismiss(plan.layout, "trip", name), names))
    assert dismissed(plan.layout, "trip") == set(names)


def test_the_names_lie_beside_the_clusters(plan: PipelinePlan) -> None:
    dismiss(plan.layout, "trip", "a")
    dismiss(plan.layout, None, "b")
    assert plan.layout.dismissed_clusters("trip") == plan.layout.discovery("trip") / ".dismissed.json"
    assert plan.layout.dismissed_clusters(None) == plan.layout.discovery_of_all / ".dismissed.json"
    assert plan.layout.dismissed_clusters("trip").exists()
    assert plan.layout.dismissed_clusters(None).exists()
