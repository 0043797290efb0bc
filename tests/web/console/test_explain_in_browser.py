"""A refused request and the installation in a browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from browser import axe, picture, sizes
from console_client import signed_in
from installation import Installation
from scim_client import USER_URN


@pytest.fixture
def opened(open_page: Callable[..., Page], installation: Installation, request: pytest.FixtureRequest) -> Page:
    client = signed_in(installation, f"browser of {request.node.name}")
    page = open_page()
    cookie = {"name": "scimlite", "value": client.cookies["scimlite"], "url": installation.url}
    page.context.add_cookies([cookie])  # type: ignore[list-item]  # a dictionary of Playwright's own type
    return page


def test_a_refusal_leads_to_the_setting(opened: Page, installation: Installation) -> None:
    app = installation.app("Entra ID")
    user = app.client.post("/Users", {"schemas": [USER_URN], "userName": "<b>ann</b>"}).ok(201).id
    operation = {"op": "add", "path": "shoeSize", "value": "x" * 300}
    id = app.client.patch(f"/Users/{user}", operation).ok(400).headers["x-request-id"]
    opened.goto(f"{installation.url}/console/requests")
    opened.get_by_label("Request id").fill(f"(request {id})")
    opened.get_by_role("button", name="Explain").click()
    expect(opened.get_by_role("heading", name="How to get it accepted")).to_be_visible()
    axe(opened, "explain")
    picture(opened, "explain")
    sizes(opened)
    opened.set_viewport_size({"width": 360, "height": 740})
    picture(opened, "explain-360")
    opened.set_viewport_size({"width": 1280, "height": 800})
    opened.get_by_role("link", name="Set the feature").click()
    expect(opened.locator("#field-unknown-attributes")).to_be_in_viewport()


def test_the_installation_checks_itself(opened: Page, installation: Installation) -> None:
    opened.goto(f"{installation.url}/console/installation")
    expect(opened.get_by_text("all migrations were applied")).to_be_visible()
    axe(opened, "installation")
    picture(opened, "installation")
    sizes(opened)
