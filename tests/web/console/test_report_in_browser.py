"""The report in a browser: a moment is typed in one's own zone, new rows come by themselves, the chart is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from browser import axe, picture, sizes
from console_client import signed_in
from installation import Connected, Installation
from scim_client import USER_URN

NAMES = ("ada@example.com", "<b>bold</b><script>alert(1)</script>", "مُحَمَّد", "x" * 150)


@pytest.fixture(scope="module")
def people(installation: Installation) -> Connected:
    app = installation.app("Entra ID")
    for name in NAMES:
        made = app.client.post("/Users", {"schemas": [USER_URN], "userName": name}).ok(201)
        title = {"op": "replace", "path": "title", "value": f"{name}\u202egnp"}
        app.client.patch(f"/Users/{made.id}", title).ok()
        app.client.post("/Users", {"schemas": [USER_URN], "userName": name}).ok(409)
    return app


@pytest.fixture(scope="module")
def cookie(installation: Installation) -> dict[str, str]:
    client = signed_in(installation, "in a browser")
    return {"name": "scimlite", "value": client.cookies["scimlite"], "url": installation.url}


@pytest.fixture
def opened(open_page: Callable[..., Page], installation: Installation, cookie: dict[str, str]) -> Callable[..., Page]:
    def open_report(path: str = "", **options: str) -> Page:
        page = open_page(**options)
        page.context.add_cookies([cookie])  # type: ignore[list-item]  # a dictionary of Playwright's own type
        page.goto(f"{installation.url}/console/report{path}")
        return page

    return open_report


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_accessible_at_every_width(opened: Callable[..., Page], people: Connected, scheme: str) -> None:
    page = opened(f"?app={people.slug}", color_scheme=scheme)
    expect(page.locator("figure.chart canvas")).to_be_visible()
    page.locator("details.quiet summary").nth(2).click()
    axe(page, f"report in {scheme}")
    picture(page, f"report-{scheme}")
    sizes(page)
    page.set_viewport_size({"width": 360, "height": 740})
    picture(page, f"report-{scheme}-360")


def test_a_search_leaves_an_address_to_share(opened: Callable[..., Page], people: Connected) -> None:
    page = opened()
    page.get_by_label("End user identifier").fill("ADA@example.com")
    page.get_by_label("Application name").fill("Entra ID")
    page.get_by_label("Timespan").select_option("24h")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("rowheader", name="ada@example.com")).to_have_count(3)
    assert parse_qs(urlsplit(page.url).query) == {"user": ["ADA@example.com"], "app": ["Entra ID"], "time": ["24h"]}


def test_a_moment_is_typed_in_the_own_zone_and_sent_in_utc(opened: Callable[..., Page], people: Connected) -> None:
    page = opened()
    expect(page.get_by_label("From (Europe/Berlin)")).to_be_hidden()
    page.get_by_label("Timespan").select_option("custom")
    begin = datetime.now(ZoneInfo("Europe/Berlin")) - timedelta(minutes=30)
    page.get_by_label("From (Europe/Berlin)").fill(f"{begin:%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("rowheader", name="ada@example.com").first).to_be_visible()
    query = parse_qs(urlsplit(page.url).query)
    assert query == {"time": ["custom"], "since": [f"{begin.astimezone(ZoneInfo('UTC')):%Y-%m-%dT%H:%MZ}"]}
    expect(page.get_by_label("From (Europe/Berlin)")).to_have_value(f"{begin:%Y-%m-%dT%H:%M}")
    page.get_by_label("Timespan").select_option("today")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile(r"\?time=today&zone=Europe%2FBerlin$"))


def test_new_rows_come_by_themselves_and_what_is_open_stays(opened: Callable[..., Page], people: Connected) -> None:
    page = opened(f"?app={people.slug}")
    page.get_by_role("link", name="Follow new entries").click()
    rows = page.locator("#entries tbody tr")
    before = rows.count()
    more = page.locator("#entries details").first
    more.locator("summary").click()
    kept = more.get_attribute("id")
    people.client.post("/Users", {"schemas": [USER_URN], "userName": "newcomer"}).ok(201)
    expect(rows.first).to_contain_text("newcomer")
    expect(rows).to_have_count(before + 1)
    expect(page.locator(f"#{kept}")).to_have_attribute("open", "")
    expect(rows.first.locator("time")).not_to_contain_text("UTC")
    page.get_by_role("button", name="Pause").click()
    people.client.post("/Users", {"schemas": [USER_URN], "userName": "another"}).ok(201)
    page.wait_for_timeout(4000)
    expect(rows).to_have_count(before + 1)
    axe(page, "followed")


def test_the_report_can_be_read_without_scripts(opened: Callable[..., Page], people: Connected) -> None:
    page = opened(f"?app={people.slug}", java_script_enabled=False)
    page.locator("tbody details summary").first.click()
    expect(page.locator("tbody details").first).to_contain_text("Id of the user")
    expect(page.get_by_label("From (UTC)")).to_be_visible()
    page.get_by_role("link", name="Chart by time and outcome").click()
    expect(page.get_by_role("heading", name="Entries by time and outcome")).to_be_visible()
    page.get_by_text("As a table").click()
    expect(page.locator("figure table tbody tr")).not_to_have_count(0)
