"""Steps through a page of two views with fields that Streamlit binds to the address, as Streamlit itself runs them."""

from urllib.parse import parse_qs, urlencode

import pytest
import streamlit as st
from streamlit.runtime.state.query_params import QueryParams
from streamlit.testing.v1 import AppTest

from autotag.serving.studio import address


def views() -> None:
    """What Streamlit runs: buttons that lead elsewhere, a field of the sidebar, and the fields of a place."""
    import streamlit as st

    from autotag.serving.studio import address
    from autotag.serving.studio.sidebar import URL

    st.slider("Vote", 0.0, 1.0, 0.5, key="vote", bind=URL)
    for to in address.VIEWS:
        st.button(to, key=f"to-{to}", on_click=address.step, args=(to,))
    st.button("change", key="change", on_click=address.change, kwargs={"like": "", "unlike": ["c", "d"]})
    st.button("image", key="to-image", on_click=address.step, args=(address.REVIEW, "a b.jpg"))
    if address.view() == address.SEARCH:
        st.text_input("Look for", key="q", bind=URL)
        st.multiselect("Tags", ["red", "blue", "green"], key="with_tags", bind=URL)
    elif address.view() == address.REVIEW and address.IMAGE not in st.query_params:
        st.number_input("Page", 1, 9, key="page", bind=URL)
    address.remember()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, list[str]]]:
    """Addresses that the browser was told of, in order: each that differs from the one before is an entry of its history."""
    addresses: list[dict[str, list[str]]] = []
    send = QueryParams._send_query_param_msg

    def kept(held: QueryParams) -> None:
        now = parse_qs(urlencode(held._query_params, doseq=True))
        if not addresses or addresses[-1] != now:
            addresses.append(now)
        send(held)

    monkeypatch.setattr(QueryParams, "_send_query_param_msg", kept)
    return addresses


def visit(**query: str | list[str]) -> AppTest:
    page = AppTest.from_function(views, default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    return checked(page.run())


def checked(page: AppTest) -> AppTest:
    assert not page.exception, page.exception
    return page


def to(page: AppTest, place: str) -> AppTest:
    return checked(page.button(key=f"to-{place}").click().run())


def test_a_step_is_one_entry_without_what_belonged_to_the_place_before(
    told: list[dict[str, list[str]]],
) -> None:
    page = visit(view="Search", q="two men", with_tags=["red", "blue"], vote="0.3")
    told.clear()
    to(page, "image")
    assert told == [{"image": ["a b.jpg"], "vote": ["0.3"]}]


def test_a_place_that_somebody_comes_back_to_has_what_it_had_as_one_entry(
    told: list[dict[str, list[str]]],
) -> None:
    page = visit(view="Search", q="two men", with_tags=["red", "blue"])
    to(page, "image")
    told.clear()
    to(page, "Search")
    assert told == [{"view": ["Search"], "q": ["two men"], "with_tags": ["red", "blue"]}]
    assert page.text_input(key="q").value == "two men"
    assert page.multiselect(key="with_tags").value == ["red", "blue"]


def test_the_page_of_the_grid_comes_back_after_an_image(told: list[dict[str, list[str]]]) -> None:
    page = visit(page="3")
    to(page, "image")
    told.clear()
    to(page, "Review")
    assert told == [{"page": ["3"]}]
    assert page.number_input(key="page").value == 3


def test_another_view_leaves_no_image_in_the_address(told: list[dict[str, list[str]]]) -> None:
    page = visit(image="a.jpg", unknown="kept")
    told.clear()
    to(page, "Folders")
    assert told == [{"view": ["Folders"], "unknown": ["kept"]}]


def test_a_view_that_there_is_not_is_the_review(monkeypatch: pytest.MonkeyPatch) -> None:
    for named, shown in (("Search", "Search"), ("<b>", "Review"), ("", "Review")):
        monkeypatch.setattr(st, "query_params", {"view": named})
        assert address.view() == shown


def test_fields_of_many_values_are_changed_together_as_one_entry(told: list[dict[str, list[str]]]) -> None:
    page = visit(view="Search", q="two men", like=["a", "b"])
    told.clear()
    checked(page.button(key="change").click().run())
    assert told == [{"view": ["Search"], "q": ["two men"], "unlike": ["c", "d"]}]


def test_the_page_works_where_streamlit_keeps_the_address_in_another_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("streamlit.runtime.state.get_session_state")
    page = visit(view="Search", q="two men", with_tags=["red", "blue"], vote="0.3")
    to(page, "image")
    assert page.query_params == {"image": "a b.jpg", "vote": "0.3"}
    to(page, "Search")
    assert page.query_params["view"] == "Search"
    assert "image" not in page.query_params
    assert page.text_input(key="q").value == "two men"
    assert page.multiselect(key="with_tags").value == ["red", "blue"]
    checked(page.button(key="change").click().run())
    assert page.query_params["unlike"] == ["c", "d"]
    assert page.text_input(key="q").value == "two men"
