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
