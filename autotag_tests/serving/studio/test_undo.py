from autotag_tests.serving.studio.grids import Desk, press, said


def test_what_another_tab_took_back_is_passed_over(desk: Desk) -> None:
    desk.birds(3)
    page = press(press(desk.visit(show="all"), "yes-", 0), "yes-", 1)
    with desk.ledger() as ledger:
        ledger.undo(ledger.runs()[-1].run_id, "bob")
    page = press(page, "undo")
    assert desk.given() == {}
    assert said(page) == ""


def test_where_all_was_taken_back_elsewhere_nothing_of_earlier_visits_goes_unasked(desk: Desk) -> None:
    desk.birds(3)
    press(desk.visit(show="all"), "yes-", 0)
    page = press(desk.visit(show="all"), "yes-", 1)
    with desk.ledger() as ledger:
        ledger.undo(ledger.runs()[-1].run_id, "bob")
    page = press(page, "undo")
    assert list(desk.given()) == ["p000.jpg"]
    assert "already" in said(page)
    press(page, "undo")
    assert desk.given() == {}
    assert "Nothing to take back" in said(press(page, "undo"))
