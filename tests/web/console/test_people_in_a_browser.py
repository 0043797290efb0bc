"""Looking for people in a real browser: the list follows what is typed, and pages are accessible on every screen."""

from __future__ import annotations

import itertools
import re

import pytest
from playwright.sync_api import expect

from browser import axe, picture, sizes
from scimlite.operators import accounts, links
from scimlite.operators.roles import Role

_numbers = itertools.count(1)

PEOPLE = (
    ("ann@example.com", "Ann Abel", True),
    ("joanna@example.com", "Joanna Berg", True),
    ("bob@example.com", "Bob \u202ereversed", False),
    ("\u0645\u0631\u062d\u0628\u0627@example.com", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643", True),
    ("<b>bold</b>", "<script>alert(1)</script>", True),
    ("l" + "o" * 4000 + "ng@example.com", "\U0001f469\u200d\U0001f680 Emoji " * 20, True),
)


@pytest.fixture
def crowd(installation, app):
    """An app with people and a group; the ids of both."""
    ids = [app.client.user(name, displayName=shown, active=on).ok(201).id for name, shown, on in PEOPLE]
    staff = app.client.group("Staff", *ids).ok(201).id
    app.client.group("Everybody", staff).ok(201)
    ann = ids[0]
    for title in ("Dr", "Prof"):
        app.client.patch(f"/Users/{ann}", {"op": "replace", "path": "title", "value": title}).ok(200)
    gone = app.client.user("gone@example.com").ok(201).id
    app.client.delete(f"/Users/{gone}").ok(204)
    return {"ann": ann, "staff": staff, "gone": gone}


def enter(page, installation, path):
    """Open a path as a new owner."""
    operator = accounts.add(installation.scope, f"reader{next(_numbers)}", Role.OWNER)
    page.goto(f"{installation.url}/console/link/{links.make(installation.scope, operator)}")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto(f"{installation.url}{path}")


def test_the_list_follows_what_is_typed(page, installation, app, crowd):
    enter(page, installation, f"/console/users?app={app.slug}")
    people = page.get_by_role("table")
    expect(people.get_by_role("link", name="bob@example.com")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("ANN")
    expect(people.get_by_role("link", name="bob@example.com")).to_have_count(0)
    expect(people.get_by_role("link", name="joanna@example.com")).to_be_visible()
    expect(page).to_have_url(re.compile(r"q=ANN"))
    page.reload()
    expect(people.get_by_role("link", name="joanna@example.com")).to_be_visible()
    people.get_by_role("link", name="ann@example.com", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("ann@example.com")
    expect(page.get_by_text("title: Dr → Prof")).to_be_visible()


def test_a_search_goes_on_by_itself(page, installation, app, crowd):
    enter(page, installation, f"/console/users?app={app.slug}&q=nobody-of-this-name")
    expect(page.get_by_text("Look further")).to_have_count(0)
    expect(page.locator("#results")).to_contain_text(re.compile("That is all|Nobody matches"))


def test_without_scripts_there_are_links_and_forms(open_page, installation, app, crowd):
    page = open_page(java_script_enabled=False)
    enter(page, installation, f"/console/users?app={app.slug}")
    page.get_by_role("searchbox").fill("bob")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name="bob@example.com")).to_be_visible()
    page.goto(f"{installation.url}/console/apps/{app.slug}/users/{crowd['gone']}")
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("is restored")).to_be_visible()
    page.get_by_label("To confirm, type gone@example.com").fill("gone@example.com")
    page.get_by_role("button", name="Erase").click()
    expect(page.get_by_text("The person is erased.")).to_be_visible()


def test_an_erasure_asks_for_the_name(page, installation, app, crowd):
    enter(page, installation, f"/console/apps/{app.slug}/users/{crowd['ann']}")
    page.get_by_role("button", name="Erase").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Erase")).to_be_disabled()
    axe(page, "erase")
    dialog.get_by_role("textbox").fill("ann@example.com")
    dialog.get_by_role("button", name="Erase").click()
    expect(page.get_by_text("The person is erased.")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("ann@example.com")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible_and_fit(open_page, installation, app, crowd, scheme):
    page = open_page(color_scheme=scheme)
    enter(page, installation, "/console/")
    at = f"/console/apps/{app.slug}"
    paths = {
        "users": f"/console/users?app={app.slug}",
        "users-deleted": f"/console/users?app={app.slug}&state=deleted",
        "users-nobody": f"/console/users?app={app.slug}&state=disabled&q=zzz",
        "user": f"{at}/users/{crowd['ann']}",
        "user-json": f"{at}/users/{crowd['ann']}?tab=json",
        "user-deleted": f"{at}/users/{crowd['gone']}",
        "groups": f"/console/groups?app={app.slug}",
        "group": f"{at}/groups/{crowd['staff']}",
    }
    for name, path in paths.items():
        page.goto(f"{installation.url}{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        axe(page, f"{name} in {scheme}")
        picture(page, f"{name}-{scheme}")
        if scheme == "light":
            sizes(page)
