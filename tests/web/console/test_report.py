"""The provisioning report: searched by person, app and time, paged, followed, counted and downloaded."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from command_line import CommandLine
from console_client import ConsoleClient, Page, signed_in
from installation import Connected, Installation
from scim_client import USER_URN
from scimlite import journal
from scimlite.admin import report_search, reporting
from scimlite.config import Settings
from scimlite.journal import Action, Entry, Outcome
from scimlite.journal import report as journal_report
from scimlite.journal.selection import Selection
from scimlite.operators.roles import Role
from scimlite.web.app import create_app

HOSTILE = "<script>alert(1)</script>\u202egnp\x1b[31m"


@pytest.fixture(scope="module")
def owner(installation: Installation) -> ConsoleClient:
    return signed_in(installation, "owner")


@pytest.fixture(scope="module")
def two(installation: Installation) -> tuple[Connected, Connected]:
    """Two apps, of which each created a user; the first was refused another one and then changed its user's name."""
    first, second = installation.app("First"), installation.app("Second")
    for app, name in ((first, "alice@example.com"), (second, "bob@example.com")):
        created = app.client.post("/Users", {"schemas": [USER_URN], "userName": name}).ok(201)
        app.client.patch(f"/Users/{created.id}", {"op": "replace", "path": "title", "value": "Dr"}).ok()
        if app is first:
            app.client.post("/Users", {"schemas": [USER_URN], "userName": name}).ok(409)
            app.client.patch(
                f"/Users/{created.id}", {"op": "replace", "path": "userName", "value": "alicia@example.com"}
            ).ok()
    return first, second


def search(browser: ConsoleClient, /, **asked: str) -> Page:
    return browser.get(f"/console/report?{urlencode(asked)}").ok()


def entries_in(page: Page) -> int:
    return page.source.count('<tr id="entry-')


def download(client: ConsoleClient, form: str, **asked: str) -> Page:
    return client.get(f"/console/report/download?{urlencode({'format': form, **asked})}")


def fill(installation: Installation, app: Connected, number: int, **facts: Any) -> None:
    """Writes so many entries into the journal of an app."""
    place = installation.workspace(installation.app_row(app))
    entries = [Entry(Action.UPDATED, user=(f"id-{each}", f"user{each}"), **facts) for each in range(number)]
    installation.db.transact(partial(journal.record, place, entries))


def test_an_empty_search_shows_all(owner: ConsoleClient, two: tuple[Connected, Connected]) -> None:
    page = search(owner)
    for text in ("alicia@example.com", "bob@example.com", "app created", "title set to Dr", "refused", "Status 409"):
        assert text in page.words
    assert "The same in the shell: scimlite report" in page.words


@pytest.mark.parametrize(
    ("asked", "there", "missing"),
    [
        ({"user": "alice@example.com"}, "alicia@example.com", "bob@"),
        ({"user": "ALICIA@example.com"}, "title set to Dr", "bob@"),
        ({"user": "bob@example.com"}, "bob@", "alice"),
        ({"app": "SECOND"}, "bob@", "alice"),
        ({"outcome": "refused"}, "already has this userName", "bob@"),
        ({"action": "created", "time": "1h"}, "bob@", "title set"),
        ({"actor": "cli"}, "app created", "bob@"),
        ({"client": "CLI:te"}, "app created", "bob@"),
        ({"address": "127.0.0.1"}, "bob@", "app created"),
        ({"time": "24h"}, "bob@", "No entries"),
        ({"time": "today", "zone": "Europe/Berlin"}, "alicia@", "not known"),
        ({"since": "2020-01-01"}, "bob@", "No entries"),
        ({"until": "2100-01-01T00:00Z", "time": "custom"}, "bob@", "No entries"),
    ],
    ids=str,
)
def test_a_search_finds(
    owner: ConsoleClient, two: tuple[Connected, Connected], asked: dict[str, str], there: str, missing: str
) -> None:
    words = search(owner, **asked).words.split("Download CSV")[1]
    assert there in words
    assert missing not in words


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"app": "nowhere"}, "There never was an app 'nowhere'."),
        ({"time": "ever"}, "'ever' is none of 1h, 24h"),
        ({"time": "today", "zone": "Mars/Base"}, "'Mars/Base' is not known here"),
        ({"time": "today", "zone": "../../etc/passwd"}, "is not known here"),
        ({"since": "tomorrow"}, "'tomorrow' is not a time"),
        ({"since": "2026-02-31"}, "is not a time"),
        ({"until": "9" * 200}, "is not a time"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "The end is not after the beginning"),
        ({"outcome": "fine"}, "'fine' is none of ok, refused, failed"),
        ({"action": "'; DROP TABLE journal"}, "is none of"),
        ({"actor": "me"}, "'me' is none of"),
        ({"address": "here"}, "'here' is no address"),
        ({"user": "a\0b"}, "A name has no character 0"),
        ({"client": "a\0b"}, "A name has no character 0"),
    ],
    ids=str,
)
def test_a_wrong_field_is_said_beside_it(owner: ConsoleClient, asked: dict[str, str], problem: str) -> None:
    for path in ("", "/rows", "/chart", "/download"):
        page = owner.get(f"/console/report{path}?{urlencode(asked)}").ok(400)
        assert problem in page.words
    assert 'aria-invalid="true"' in page.source
    # What was typed into a line of text stays there.
    for value in [asked[name] for name in ("app", "since", "until", "address") if name in asked]:
        assert f'value="{value}"' in page.source


def test_moments_are_utc_unless_they_name_a_zone(owner: ConsoleClient, installation: Installation) -> None:
    app = installation.app("Zones")
    fill(installation, app, 1)
    at = journal_report.read(installation.db, Selection(user="id-0", app_id=installation.app_row(app).id))[0].at
    utc = datetime.fromtimestamp(at / 1e6, UTC)
    after = utc + timedelta(seconds=1)
    east = after.astimezone(timezone(timedelta(hours=9)))
    for text in (f"{after:%Y-%m-%dT%H:%M:%S}", f"{after:%Y-%m-%dT%H:%M:%SZ}", f"{east:%Y-%m-%dT%H:%M:%S%z}"):
        assert entries_in(search(owner, app=app.slug, user="id-0", until=text)) == 1
        assert entries_in(search(owner, app=app.slug, user="id-0", since=text)) == 0


def test_today_begins_in_the_zone_of_the_browser() -> None:
    problems: dict[str, str] = {}
    # 2026-11-27 05:00 UTC is 2026-11-26 19:00 in Honolulu.
    now = 1_795_755_600_000_000
    assert now - report_search._today("", now, problems) == 5 * 3_600_000_000
    assert now - report_search._today("Pacific/Honolulu", now, problems) == 19 * 3_600_000_000
    # The clocks went back at 01:00 UTC, so that this day began in summer time.
    autumn = 1_792_922_400_000_000
    assert autumn - report_search._today("Europe/Berlin", autumn, problems) == 12 * 3_600_000_000
    assert not problems


def test_empty_states(owner: ConsoleClient, installation: Installation, two: tuple[Connected, Connected]) -> None:
    assert "Nobody of this name was ever seen" in search(owner, user="nobody@example.com").words
    empty = installation.app("Empty")
    assert "No entries for this search" in search(owner, app=empty.slug, action="restored").words
    page = search(owner, app=empty.slug, time="1h", action="restored")
    assert "Widen to 7 days" in page.words
    assert f"?app={empty.slug}&amp;time=7d&amp;action=restored" in page.source
    assert "Widen to 30 days" in search(owner, time="7d", action="restored").words
    assert "Look at all time" in search(owner, time="30d", action="restored").words
    assert "Look at all time" in search(owner, until="2001-01-01").words
    bound = signed_in(installation, "new here", Role.AUDITOR, installation.app("Nothing").slug)
    assert entries_in(search(bound)) == 2


def test_pages_lead_through_all_entries_and_back(owner: ConsoleClient, installation: Installation) -> None:
    app = installation.app("Pages")
    fill(installation, app, 120)
    page = search(owner, app=app.slug, action="updated")
    sizes, seen, pages = [entries_in(page)], rows_of(page), [page]
    while link := re.search(r'href="([^"]*)" rel="next"', page.source):
        page = owner.get(unescape(link[1])).ok()
        pages.append(page)
        sizes.append(entries_in(page))
        seen += rows_of(page)
    assert sizes == [50, 50, 20]
    assert len(set(seen)) == 120
    assert seen == sorted(seen, reverse=True)
    for before in reversed(pages[:-1]):
        link = re.search(r'href="([^"]*)" rel="prev"', page.source)
        assert link is not None
        page = owner.get(unescape(link[1])).ok()
        assert rows_of(page) == rows_of(before)
    assert 'rel="prev"' not in page.source
    # A place that nobody gave is no place.
    assert entries_in(owner.get(f"/console/report?app={app.slug}&before=x.y&after=1").ok()) == 50


def rows_of(page: Page) -> list[int]:
    return [int(id) for id in re.findall(r'<tr id="entry-([0-9]+)"', page.source)]


def test_a_search_that_would_look_through_too_much_says_so(owner: ConsoleClient, installation: Installation) -> None:
    app = installation.app("Long")
    fill(installation, app, 5_100)
    page = search(owner, app=app.slug, action="updated", client="nobody")
    assert "Looked through the entries back to" in page.words
    assert "Look further back" in page.words
    assert "No entries" not in page.words
    link = re.search(r'href="([^"]*)" rel="next"', page.source)
    assert link is not None
    last = owner.get(unescape(link[1])).ok()
    assert "Look further back" not in last.words


def test_a_download_has_what_the_command_prints(
    owner: ConsoleClient, installation: Installation, two: tuple[Connected, Connected]
) -> None:
    first, _ = two
    for form in ("csv", "json"):
        page = download(owner, form, app=first.slug, action="created").ok()
        printed = CommandLine(installation.env).ok("report", f"--{form}", "--app", first.slug, "--action", "created")
        assert page.source.splitlines() == printed.splitlines()
        assert page.headers["content-disposition"].startswith('attachment; filename="scimlite-report-')
        assert page.headers["content-disposition"].endswith(f'.{form}"')
    assert page.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["outcome"] for line in page.source.splitlines()] == ["ok", "refused"]
    download(owner, "xml").ok(200)
    assert len(download(owner, "json", action="purged").ok().source) == 0


def test_a_download_holds_no_formulas(owner: ConsoleClient, installation: Installation) -> None:
    app = installation.app("Formulas")
    fill(installation, app, 1, detail='=HYPERLINK("https://evil.example")')
    page = download(owner, "csv", app=app.slug, action="updated").ok()
    row = next(csv.DictReader(io.StringIO(page.source)))
    assert row["detail"] == '\'=HYPERLINK("https://evil.example")'


def test_a_download_that_would_be_too_large_is_refused(
    owner: ConsoleClient, installation: Installation, two: tuple[Connected, Connected], monkeypatch: pytest.MonkeyPatch
) -> None:
    reporting.check_size(installation.db, Selection())
    monkeypatch.setattr(reporting, "MOST_DOWNLOADED", 1)
    with pytest.raises(reporting.TooLargeError, match="Choose a shorter time"):
        reporting.check_size(installation.db, Selection())
    monkeypatch.setattr(reporting, "MOST_DOWNLOADED", 1_000_000)
    monkeypatch.setattr(reporting, "_MOST_LOOKED_AT", 1)
    with pytest.raises(reporting.TooLargeError):
        reporting.check_size(installation.db, Selection(client="nobody"))
    # The page that says so names the command with the whole search and the same form.
    app = create_app(Settings.from_environment(installation.env))
    browser = app.test_client()
    browser.set_cookie("scimlite", owner.cookies["scimlite"], domain="127.0.0.1")
    page = browser.get("/console/report/download?format=json&client=nobody", base_url="http://127.0.0.1:8000")
    app.extensions["scimlite"].db.close()
    assert page.status_code == 413
    assert "scimlite report --client nobody --json &gt; report.json" in page.text


def test_a_chart_counts_by_day_and_outcome(owner: ConsoleClient, two: tuple[Connected, Connected]) -> None:
    first, _ = two
    address = f"/console/report/chart?{urlencode({'app': first.slug, 'actor': 'scim'})}"
    part = owner.get(address, HX_Request="true").ok()
    assert "<html" not in part.source
    data = json.loads(unescape(re.search(r"data-chart='([^']*)'", part.source)[1]))  # type: ignore[index]
    assert {each["name"]: sum(each["values"]) for each in data["series"]} == {"ok": 3, "refused": 1, "failed": 0}
    whole = owner.get(address).ok()
    assert "Back to the entries" in whole.words
    assert f"scimlite report --app {first.slug} --actor scim --summary" in whole.words
    assert "Nothing to count" in owner.get("/console/report/chart?action=purged").ok().words


def test_a_page_that_follows_asks_for_its_rows(owner: ConsoleClient, two: tuple[Connected, Connected]) -> None:
    first, _ = two
    page = search(owner, app=first.slug, follow="1")
    assert "Stop following" in page.words
    live = re.search(r'hx-get="(/console/report/rows[^"]*)" hx-trigger="every 3s" hx-swap="innerMorph"', page.source)
    assert live is not None
    before = rows_of(owner.get(unescape(live[1]), HX_Request="true").ok())
    first.client.post("/Users", {"schemas": [USER_URN], "userName": "newcomer"}).ok(201)
    part = owner.get(unescape(live[1]), HX_Request="true").ok()
    assert "newcomer" in part.words
    assert "<html" not in part.source
    assert len(rows_of(part)) == len(before) + 1


def test_a_bound_operator_sees_no_other_app(installation: Installation, two: tuple[Connected, Connected]) -> None:
    first, second = two
    bound = signed_in(installation, "bound", Role.AUDITOR, first.slug)
    others = ("bob@", second.slug, "signed in", "operator")
    for path in ("", "/rows", "/chart", "/download"):
        page = bound.get(f"/console/report{path}?follow=1&format=csv").ok()
        body = page.source if path == "/download" else page.words.split("Download CSV")[-1]
        assert not [other for other in others if other in body]
    assert "bob@" not in search(bound, client="e").words
    assert "Nobody of this name was ever seen" in search(bound, user="bob@example.com").words
    for name in (second.slug, "Second"):
        page = bound.get(f"/console/report?{urlencode({'app': name})}").ok(400)
        assert f"There never was an app '{name}'" in page.words
        assert f"Apps: {first.slug}." in page.words
    nobody = signed_in(installation, "bound to an empty app", Role.OPERATOR, installation.app("Other").slug)
    assert "alicia" not in search(nobody).words


def test_hostile_texts_are_shown_and_do_nothing(owner: ConsoleClient, installation: Installation) -> None:
    app = installation.app("Hostile")
    place = installation.workspace(installation.app_row(app))
    entry = Entry(
        Action.UPDATED,
        Outcome.REFUSED,
        user=("id-h", HOSTILE),
        group=("gid", HOSTILE),
        changes={HOSTILE: [HOSTILE, [{"value": HOSTILE, "type": HOSTILE}]]} | {f"a{n}": [None, n] for n in range(20)},
        detail=HOSTILE,
    )
    installation.db.transact(partial(journal.record, place, [entry]))
    page = search(owner, app=app.slug, client=HOSTILE, user=HOSTILE)
    assert "<script>alert" not in page.source
    page = search(owner, app=app.slug, action="updated")
    assert "<script>alert" not in page.source
    assert "\u202e" not in page.source
    assert "\x1b" not in page.source
    assert "17 more changes" in page.words
    assert len(page.source) < 150_000


def test_a_page_is_small(owner: ConsoleClient, installation: Installation) -> None:
    app = installation.app("Small")
    fill(installation, app, 50, changes={f"attribute{n}": ["x" * 100, "y" * 100] for n in range(8)}, detail="d" * 200)
    page = search(owner, app=app.slug, action="updated")
    assert entries_in(page) == 50
    assert len(page.source.encode()) < 150_000
