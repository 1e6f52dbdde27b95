"""The grid decides on what it has drawn."""

from dataclasses import replace

from autotag.domain.ledger_entries import ANY_TAG, Standing
from autotag.serving.studio.review import first_cards
from autotag_tests.serving.studio.grids import NOW, Desk, checked, files_of, press, said


def test_an_address_with_a_page_shows_that_page_and_decides_on_it(desk: Desk) -> None:
    files = desk.birds(30)
    page = desk.visit(page="2")
    assert files_of(page) == files[12:24]
    press(page, "approve-all")
    assert list(desk.given()) == files[12:24]


def test_whoever_has_done_with_the_last_page_is_on_the_one_before_and_decides_on_that(desk: Desk) -> None:
    files = desk.birds(26)
    page = desk.visit(page="3")
    assert files_of(page) == files[24:]
    page = press(page, "approve-all")
    assert page.number_input(key="page").value == 2
    assert files_of(page) == files[12:24]
    press(page, "approve-all")
    assert list(desk.given()) == files[12:]


def test_a_filter_that_leaves_fewer_pages_shows_the_last_of_them(desk: Desk) -> None:
    desk.birds(30)
    page = desk.visit(page="3")
    checked(page.text_input(key="name").set_value("p00").run())
    assert page.number_input(key="page").value == 1
    assert len(files_of(page)) == 10
    press(page, "reject-rest")
    assert len(desk.given(Standing.REJECTED)) == 10


def test_a_tab_decides_on_the_images_that_it_shows_whatever_another_has_done_with_them(desk: Desk) -> None:
    files = desk.birds(24)
    one, other = desk.visit(), desk.visit()
    press(one, "approve-all")
    other = press(other, "approve-all")
    assert list(desk.given()) == files[:12]
    assert said(other) == "", "what it wanted is so"
    assert files_of(other) == files[12:]


def test_a_tab_whose_images_were_decided_otherwise_records_nothing_and_says_so(desk: Desk) -> None:
    files = desk.birds(24)
    one, other = desk.visit(), desk.visit()
    press(one, "reject-rest")
    other = press(other, "approve-all")
    assert desk.given() == {}
    assert list(desk.given(Standing.REJECTED)) == files[:12]
    assert "nothing was recorded" in said(other)


def test_a_command_that_proposes_other_tags_meanwhile_keeps_a_tab_from_rejecting_them(desk: Desk) -> None:
    desk.birds(2)
    page = desk.visit()
    desk.proposes("p000.jpg", ["heron"])
    page = press(page, "no-")
    assert desk.given(Standing.REJECTED) == {}
    assert "nothing was recorded" in said(page)
    press(page, "no-")
    assert desk.given(Standing.REJECTED) == {"p000.jpg": ["bird", "heron"]}


def test_a_click_on_a_card_is_about_its_image_though_a_scan_found_another_before_it(desk: Desk) -> None:
    desk.holds({"b.jpg": [("vote", "bird", 0.8)], "c.jpg": [("vote", "cat", 0.8)]})
    page = desk.visit()
    desk.holds({file: [("vote", f"{file} tag", 0.8)] for file in ("a.jpg", "b.jpg", "c.jpg")})
    page = press(page, "yes-")
    assert desk.given() == {"b.jpg": ["bird"]}
    assert files_of(page) == ["a.jpg", "c.jpg"]


def test_look_alikes_get_the_tags_that_are_shown_and_none_that_nobody_saw(desk: Desk) -> None:
    desk.holds(
        {"a.jpg": [("vote", "bird", 0.8)], "b.jpg": [("vote", "cat", 0.9)], "c.jpg": [("vote", "dog", 0.9)]},
        groups=[0, 0, 2],
    )
    page = desk.visit(grouped="true")
    assert files_of(page) == ["a.jpg", "c.jpg"]
    press(page, "approve-all")
    assert desk.given() == {"a.jpg": ["bird"], "b.jpg": ["bird"], "c.jpg": ["dog"]}


def test_what_waits_of_a_hidden_look_alike_goes_on_waiting_and_gets_a_card_of_its_own(desk: Desk) -> None:
    desk.holds({"a.jpg": [("vote", "bird", 0.8)], "b.jpg": [("vote", "cat", 0.9)]}, groups=[0, 0])
    desk.proposes("b.jpg", ["cat"])
    page = press(desk.visit(grouped="true"), "reject-rest")
    assert desk.given(Standing.REJECTED) == {"a.jpg": ["bird"], "b.jpg": ["bird"]}
    assert desk.given(Standing.PROPOSED) == {"b.jpg": ["cat"]}
    assert files_of(page) == ["b.jpg"]


def test_a_mark_of_an_image_that_was_looked_at_is_no_tag_on_the_page(desk: Desk) -> None:
    desk.holds({"a.jpg": []})
    page = press(desk.visit(show="all"), "no-")
    assert desk.given(Standing.REJECTED) == {"a.jpg": [ANY_TAG]}
    assert ANY_TAG not in "".join(each.proto.body for each in page.get("html"))
    assert ANY_TAG not in page.multiselect[0].options
    assert not any(ANY_TAG in option for option in page.selectbox(key="shown_tag").options)
    press(page, "clear")
    assert desk.given(Standing.REJECTED) == {}


def test_a_change_of_the_tag_field_is_recorded_beside_what_another_tab_decided(desk: Desk) -> None:
    desk.birds(1)
    one, other = desk.visit(show="all"), desk.visit(show="all")
    press(one, "yes-")
    checked(other.multiselect[0].set_value(["sea"]).run())
    assert desk.given() == {"p000.jpg": ["bird", "sea"]}
    assert said(other) == ""


def test_suggestions_that_are_out_of_date_are_told_with_what_to_press(desk: Desk) -> None:
    desk.birds(1)
    NOW[-1] = replace(NOW[-1], outdated=("Tags of the vote are of another model: press Vote.",))
    assert "press Vote" in said(desk.visit())


def test_a_proposal_that_the_sliders_hide_is_shown_while_it_waits(desk: Desk) -> None:
    desk.holds({"a.jpg": [("vote", tag, 0.3) for tag in ("one", "two", "three")]})
    desk.proposes("a.jpg", ["three", "four"])
    page = desk.visit()
    (face,) = [each.proto.body for each in page.get("html") if "cardname" in each.proto.body]
    assert all(f">{tag}<" in face for tag in ("one", "two", "three", "four"))
    press(page, "no-")
    assert desk.given(Standing.REJECTED) == {"a.jpg": ["four", "one", "three", "two"]}


def test_where_nothing_is_over_its_threshold_the_page_says_how_near_the_best_comes(desk: Desk) -> None:
    desk.holds({"a.jpg": [("zero_shot", "sea", 0.17)], "b.jpg": [("zero_shot", "bird", 0.1)]})
    page = desk.visit()
    assert "No label is over 0.50 here; the best has 0.17" in page.info[0].value
    page = press(page, "approve-all")
    assert "over its threshold: lower the slider" in said(page)
    assert desk.given() == {}
    checked(page.segmented_control(key="show").set_value("decided").run())
    assert list(page.info) == [], "there is no image that it would be about"


def test_where_something_is_believed_nothing_is_said_of_thresholds(desk: Desk) -> None:
    desk.holds({"a.jpg": [("zero_shot", "sea", 0.17)], "b.jpg": [("vote", "bird", 0.8)]})
    assert list(desk.visit().info) == []


def test_the_grid_goes_through_no_more_images_than_it_is_asked_to() -> None:
    cards = [[0, 1], [2], [3, 4, 5]]
    assert first_cards(cards, 6) == cards
    assert first_cards(cards, 5) == cards[:2]
    assert first_cards(cards, 1) == cards[:1], "a card is not torn apart"
    assert first_cards([], 1) == []


def test_buttons_that_show_an_icon_have_names_for_those_who_cannot_see_it(desk: Desk) -> None:
    desk.birds(1)
    page = desk.visit()
    names = {str(each.key).partition("-")[0]: each.label for each in page.button}
    assert (names["yes"], names["no"], names["look"]) == ("Approve", "Reject", "Look closer")
