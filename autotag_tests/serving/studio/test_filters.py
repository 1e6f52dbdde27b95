from autotag_tests.serving.studio.grids import Desk, checked, files_of, press


def test_a_tag_s_filter_lies_in_the_address_without_its_number_which_changes(desk: Desk) -> None:
    desk.holds({"a.jpg": [("vote", "bird", 0.8)], "b.jpg": [("vote", "bird", 0.8)], "c.jpg": []})
    page = desk.visit(show="all", tag="bird")
    assert files_of(page) == ["a.jpg", "b.jpg"]
    assert "bird (2)" in page.selectbox(key="shown_tag").options
    page = press(page, "no-")
    assert page.selectbox(key="shown_tag").value == "bird"
    assert "bird (1)" in page.selectbox(key="shown_tag").options
    assert files_of(page) == ["b.jpg"]
    assert page.query_params["tag"] == "bird"


def test_a_choice_reaches_the_address_and_all_tags_leave_none_there(desk: Desk) -> None:
    desk.holds({"a.jpg": [("vote", "bird", 0.8)], "b.jpg": []})
    page = desk.visit(show="all")
    checked(page.selectbox(key="shown_tag").set_value("bird").run())
    assert page.query_params["tag"] == "bird"
    assert files_of(page) == ["a.jpg"]
    checked(page.selectbox(key="shown_tag").set_value("every tag").run())
    assert "tag" not in page.query_params
    assert files_of(page) == ["a.jpg", "b.jpg"]


def test_a_tag_that_no_image_has_any_more_is_no_filter(desk: Desk) -> None:
    desk.holds({"a.jpg": [("vote", "bird", 0.8)], "b.jpg": []})
    page = press(desk.visit(show="all", tag="bird"), "no-")
    assert files_of(page) == ["a.jpg", "b.jpg"]
    assert "tag" not in page.query_params
