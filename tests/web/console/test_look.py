"""Every part that pages are made of, with hostile data, in a real browser under the real Content-Security-Policy."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

import console_sheet
from browser import axe, picture, sizes
from scimlite.web.console.assets import assets

HERE = Path(__file__).parent
STATIC = console_sheet.CONSOLE / "static"
#: A page of the console with style and scripts, without a chart's.
LARGEST = 150_000

PLAIN = """{% extends "plain.html" %}{% import "macros.html" as ui with context %}
{% block title %}Sign in{% endblock %}
{% block main %}<h1>Sign in</h1>
<form method="post" action="/act">{{ ui.csrf() }}
{{ ui.text_input('name', 'Name', autocomplete='username', autofocus=true) }}
{{ ui.text_input('password', 'Password', type='password', error='Wrong name or password.') }}
<button>Sign in</button></form>{% endblock %}"""


def rendered(rows=10, here="Users"):
    environment = console_sheet.environment(HERE)
    return environment.get_template("sheet.html").render(console_sheet.context(rows, here))


@pytest.fixture(scope="module")
def sheet():
    environment = console_sheet.environment(HERE)
    pages = {
        "/": rendered(),
        "/none": rendered(rows=0),
        "/many": rendered(rows=300),
        "/far": rendered(here="Installation"),
        "/plain": environment.from_string(PLAIN).render(console_sheet.context()),
        "/live": "<p id='news'>Test Connection received</p>",
        "/fragment": environment.from_string(
            "{% import 'macros.html' as ui with context %}{{ ui.when(1700000000000000) }}"
        ).render(console_sheet.context()),
    }
    with console_sheet.served(pages) as url:
        yield url


@pytest.fixture
def opened(page, sheet):
    page.goto(sheet)
    return page


@pytest.mark.parametrize(
    ("path", "scheme"), [("/", "light"), ("/", "dark"), ("/none", "light"), ("/plain", "light"), ("/plain", "dark")]
)
def test_a_page_is_accessible(open_page, sheet, path, scheme):
    page = open_page(color_scheme=scheme)
    page.goto(sheet + path)
    axe(page, f"{path} in {scheme}")
    picture(page, f"sheet{path.replace('/', '-')}-{scheme}")


@pytest.mark.parametrize("path", ["/", "/none", "/plain"])
def test_a_page_does_not_scroll_sideways(page, sheet, path):
    page.goto(sheet + path)
    sizes(page)


def test_a_dialog_is_accessible(opened):
    opened.get_by_role("button", name="Delete").click()
    axe(opened, "confirmation")
    opened.keyboard.press("Escape")
    opened.keyboard.press("?")
    axe(opened, "keyboard")


def test_a_target_is_large_enough_for_a_finger(open_page, sheet):
    page = open_page(has_touch=True, is_mobile=True, viewport={"width": 360, "height": 800})
    page.goto(sheet)
    for button in page.locator("button:visible, nav a:visible, select:visible, summary:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 44 or button.evaluate("each => !!each.closest('details.quiet, .card details')"), (
            button.evaluate("each => each.outerHTML")
        )


def test_names_are_data(opened):
    text = opened.locator("main").inner_text()
    assert "evil\\u202egnp.exe" in text
    assert "tab\\tbell\\x07null\\x00" in text
    assert "<script>alert(1)</script>" in text
    # Neighbours of a name from right to left keep their places.
    assert opened.locator("bdi", has_text="مُحَمَّد").first.is_visible()


def test_no_template_has_script_or_style_in_it():
    for path in (console_sheet.CONSOLE / "templates").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?! src=)|hx-on|hx-vals=.js:", text), path
        assert not re.search(r"\|\s*safe\b|Markup|autoescape", text), path


def test_the_base_of_the_style_is_loaded_once(page, sheet):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{sheet}/plain", wait_until="networkidle")
    version = assets()["vendor/simple.min.css"].version
    assert [url for url in asked if "simple" in url] == [f"{sheet}/static/vendor/simple.min.css?v={version}"]


def test_a_page_is_small():
    files = ["console.css", "console.js", "theme.js", "icon.svg", "vendor/simple.min.css", "vendor/htmx.min.js"]
    assert len(rendered()) + sum((STATIC / name).stat().st_size for name in files) < LARGEST


def test_vendored_files_are_those_of_the_list():
    rows = re.findall(r"^\| `([\w.]+)` \|.*`([\w.]+)` \| `(\w{64})` \|$", (STATIC / "VENDORED.md").read_text(), re.M)
    for name, licence, digest in rows:
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest, name
        assert (STATIC / "vendor" / licence).stat().st_size > 100
    listed = {name for name, *_ in rows} | {licence for _, licence, _ in rows}
    assert listed == {path.name for path in (STATIC / "vendor").iterdir()}


# --- times --------------------------------------------------------------------------------------------------------


def test_times_are_in_the_zone_of_the_browser(opened):
    opened.evaluate("""() => {
        const time = document.createElement("time");
        time.dateTime = "2026-07-01T10:00:00Z";
        time.id = "summer";
        document.querySelector("main").append(time);
    }""")
    time = opened.locator("#summer")
    opened.keyboard.press("z")
    expect(time).to_have_text("2026-07-01 10:00:00 UTC")
    opened.keyboard.press("z")
    expect(time).to_have_text("1 Jul 2026, 12:00:00")
    assert time.get_attribute("title") == "1 Jul 2026, 12:00:00 · 2026-07-01 10:00:00 UTC"


def test_a_time_tells_how_long_ago(opened):
    expect(opened.locator("main .heading time")).to_have_text(re.compile(r"^5 hr\. ago$"))


def test_times_stay_in_utc_on_the_next_page(opened):
    opened.get_by_role("button", name="Times: Europe/Berlin").click()
    expect(opened.locator("main .heading time")).to_have_text(re.compile("UTC$"))
    opened.reload()
    expect(opened.locator("main .heading time")).to_have_text(re.compile("UTC$"))
    expect(opened.get_by_role("button", name="Times: UTC")).to_be_visible()


def test_without_scripts_a_page_can_be_read(open_page, sheet):
    page = open_page(java_script_enabled=False)
    page.goto(sheet)
    expect(page.locator("main .heading time")).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"))
    expect(page.get_by_role("button", name="Copy Tenant URL")).to_be_hidden()
    expect(page.get_by_role("button", name="Dismiss").first).to_be_hidden()
    page.get_by_text("As a table").click()
    expect(page.get_by_role("table", name="Requests by day")).to_be_visible()
    page.get_by_label("To confirm, type Entra ID").fill("Entra ID")
    page.get_by_role("button", name="Delete").click()
    assert "confirmed=Entra+ID" in page.content()


# --- copying, theme, flashes, live parts --------------------------------------------------------------------------


def test_copying_says_so(open_page, sheet):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(sheet)
    page.get_by_role("button", name="Copy Tenant URL").click()
    expect(page.locator("#say")).to_have_text("Copied")
    expect(page.locator(".copyable button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#tenant-url").inner_text()


def test_copying_works_where_the_browser_has_no_clipboard_for_scripts(open_page, sheet):
    page = open_page(permissions=["clipboard-read"])
    page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'))")
    page.goto(sheet)
    page.get_by_role("button", name="Copy the command").click()
    expect(page.locator("#say")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "scimlite app show 'Entra ID' --format json"
    expect(page.get_by_role("button", name="Copy the command")).to_be_focused()


def test_the_theme_stays(opened):
    background = "getComputedStyle(document.body).backgroundColor"
    light = opened.evaluate(background)
    button = opened.locator("[data-theme-switch]")
    expect(button).to_have_text("Theme: automatic")
    button.click()
    assert opened.evaluate(background) == light
    button.click()
    expect(button).to_have_text("Theme: dark")
    dark = opened.evaluate(background)
    assert dark != light
    opened.reload()
    assert opened.evaluate(background) == dark
    button.click()
    opened.reload()
    assert opened.evaluate(background) == light


def test_a_flash_can_be_dismissed(opened):
    opened.get_by_role("status").filter(has_text="The app was saved").get_by_role("button", name="Dismiss").click()
    expect(opened.get_by_text("The app was saved")).to_have_count(0)
    expect(opened.get_by_role("alert")).to_contain_text("No <b>such</b> thing: evil\\u202egnp")


def test_a_live_part_fills_by_itself_until_it_is_paused(opened):
    expect(opened.locator("#news")).to_have_text("Test Connection received")
    opened.get_by_role("button", name="Pause").click()
    expect(opened.get_by_role("button", name="Resume")).to_have_attribute("aria-pressed", "true")
    opened.evaluate("document.querySelector('#checklist').shownText = null")
    opened.evaluate("document.querySelector('#news').remove()")
    # Two and a half times the interval.
    opened.wait_for_timeout(2500)
    expect(opened.locator("#news")).to_have_count(0)
    opened.get_by_role("button", name="Resume").click()
    expect(opened.locator("#news")).to_be_visible()


def test_a_live_part_that_stays_the_same_stays_in_place(opened):
    expect(opened.locator("#news")).to_have_text("Test Connection received")
    opened.evaluate("document.querySelector('#news').dataset.mark = 'kept'")
    with opened.expect_response("**/live"):
        pass
    with opened.expect_response("**/live"):
        pass
    assert opened.locator("#news").get_attribute("data-mark") == "kept"


def test_times_of_a_new_part_are_shown_as_well(opened):
    opened.evaluate("htmx.ajax('GET', '/fragment', '#new')")
    expect(opened.locator("#new time")).to_have_text("14 Nov 2023, 23:13:20")


def test_htmx_sends_the_csrf_token(opened):
    opened.evaluate("htmx.ajax('POST', '/act', '#new')")
    expect(opened.locator("#new")).to_contain_text('token"<&')


# --- acts ---------------------------------------------------------------------------------------------------------


def test_an_act_asks_first(opened):
    row = opened.get_by_role("row").filter(has_text="Barbara Jensen")
    row.get_by_role("button", name="Restore").click()
    dialog = opened.get_by_role("dialog")
    expect(dialog).to_contain_text("The account comes back with its groups.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert not opened.url.endswith("/act")
    row.get_by_role("button", name="Restore").click()
    dialog.get_by_role("button", name="Restore").click()
    opened.wait_for_url("**/act")
    assert "csrf_token=token" in opened.content()


def test_a_grave_act_has_a_name_typed_first(opened):
    opened.get_by_role("button", name="Delete", exact=True).click()
    dialog = opened.get_by_role("dialog")
    expect(dialog).to_contain_text("12 people lose their access.")
    yes = dialog.get_by_role("button", name="Delete")
    expect(yes).to_be_disabled()
    dialog.get_by_label("To confirm, type").fill("entra id")
    expect(yes).to_be_disabled()
    dialog.get_by_label("To confirm, type").fill("Entra ID")
    yes.click()
    opened.wait_for_url("**/act")
    assert "confirmed=Entra+ID" in opened.content()
    assert "kind=app%22%3C" in opened.content()


# --- keyboard -----------------------------------------------------------------------------------------------------


def test_keys_lead_to_search_rows_and_pages(opened):
    opened.keyboard.press("/")
    search = opened.get_by_role("searchbox")
    expect(search).to_be_focused()
    # In a field, keys are text.
    opened.keyboard.type("jg?")
    expect(search).to_have_value("jg?")
    search.blur()
    opened.keyboard.press("j")
    expect(opened.get_by_role("link", name="Barbara Jensen")).to_be_focused()
    opened.keyboard.press("j")
    opened.keyboard.press("j")
    opened.keyboard.press("k")
    expect(opened.locator("tbody tr:nth-child(2) a")).to_be_focused()
    opened.keyboard.press("g")
    opened.keyboard.press("r")
    opened.wait_for_url("**/#report")


def test_a_key_lists_the_keys(opened):
    opened.keyboard.press("?")
    keys = opened.get_by_role("dialog")
    expect(keys).to_contain_text("Next and previous row")
    expect(keys).to_contain_text("Installation")
    opened.keyboard.press("Escape")
    expect(keys).to_be_hidden()


def test_the_first_key_skips_to_the_content(opened):
    opened.keyboard.press("Tab")
    link = opened.get_by_role("link", name="Skip to the content")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    opened.keyboard.press("Enter")
    expect(opened.locator("main")).to_be_focused()


def test_on_a_phone_the_navigation_shows_where_one_is(open_page, sheet):
    page = open_page(viewport={"width": 360, "height": 800})
    page.goto(f"{sheet}/far")
    expect(page.locator("header nav [aria-current]")).to_be_in_viewport(ratio=0.9)


def test_the_operator_signs_out(opened):
    opened.locator(".menu summary").click()
    expect(opened.locator(".menu")).to_contain_text("owner")
    opened.keyboard.press("Escape")
    expect(opened.get_by_role("button", name="Sign out")).to_be_hidden()
    opened.locator(".menu summary").click()
    opened.get_by_role("button", name="Sign out").click()
    opened.wait_for_url("**/act")


# --- charts and tables --------------------------------------------------------------------------------------------


def test_a_chart_is_drawn_and_tells_figures(opened):
    # uPlot paints some time after it made its canvas.
    opened.wait_for_function("""() => {
        const canvas = document.querySelector("figure.chart .plot canvas");
        if (!canvas) return false;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value) => value > 0);
    }""")
    opened.locator("figure.chart .u-over").hover()
    expect(opened.locator(".legend .tone-ok")).to_have_text(re.compile(r"^ok \d+$"))
    expect(opened.locator(".legend .moment")).to_contain_text("2026")


def test_a_chart_follows_theme_and_width(opened):
    canvas = opened.locator("figure.chart .plot canvas")
    expect(canvas).to_be_visible()
    opened.locator("[data-theme-switch]").click()
    expect(canvas).to_have_count(1)
    opened.set_viewport_size({"width": 500, "height": 800})
    opened.wait_for_function("document.querySelector('.plot canvas').getBoundingClientRect().width < 500")


def test_a_page_without_a_chart_does_not_load_the_plotter(page, sheet):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{sheet}/plain", wait_until="networkidle")
    assert not [url for url in asked if "uPlot" in url or "charts.js" in url]


def test_the_figures_of_a_chart_are_a_table(opened):
    opened.get_by_text("As a table").click()
    rows = opened.get_by_role("table", name="Requests by day").get_by_role("row")
    expect(rows).to_have_count(31)
    # Days of UTC, which no zone moves.
    expect(rows.nth(1).get_by_role("rowheader")).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d$"))
    data = json.loads(opened.locator("figure.chart").get_attribute("data-chart"))
    expect(rows.nth(1).get_by_role("cell").first).to_have_text(str(data["series"][0]["values"][0]))


def test_many_rows_stay_in_their_region(page, sheet):
    page.goto(f"{sheet}/many")
    sizes(page)
    expect(page.get_by_role("table", name="Users").get_by_role("row")).to_have_count(301)


def test_a_form_says_what_is_wrong_at_its_field(opened):
    name = opened.get_by_label("Name", exact=True)
    assert name.get_attribute("aria-invalid") == "true"
    described = name.get_attribute("aria-describedby").split()
    assert [opened.locator(f"#{each}").inner_text() for each in described] == [
        "What people call it.",
        '"\\u202e" is not allowed',
    ]
    expect(opened.get_by_role("switch", name="Delete the deactivated users")).to_be_checked()
