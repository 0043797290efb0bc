"""A token that is refused: the same answer for every cause, and the cause for the operator in log and counts."""

from __future__ import annotations

import time

from command_line import CommandLine
from installation import Connected, Installation
from scim_client import Answer, assert_scim_error
from scimlite import clock
from scimlite.admin import apps, tokens
from scimlite.apps import refused_tokens
from scimlite.journal import tallies

FORM = "scimlite_" + "A" * 22 + "." + "B" * 43


def counted(installation: Installation, app: Connected, total: int) -> dict[str, int]:
    """The counts of an app, once the service has written so many."""
    counts: dict[str, int] = {}
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        row = installation.app_row(app)
        counts = tallies.last_week(installation.db, row.id, tallies.Kind.REFUSED_TOKEN)
        if sum(counts.values()) >= total:
            return counts
        time.sleep(0.2)
    raise AssertionError(f"{counts} after 20 seconds, and not {total}")


def line_of(installation: Installation, answer: Answer) -> str:
    """The line of an answered request in the service's log."""
    return next(line for line in installation.log().splitlines() if answer.headers["x-request-id"] in line)


CASES = [
    (None, "missing"),
    ("Bearer", "missing"),
    ("Basic YTpi", "not-bearer"),
    ("{token}", "not-bearer"),
    ("Token {token}", "not-bearer"),
    ("Bearer garbage", "malformed"),
    ("Bearer {token}x", "malformed"),
    ("Bearer {cut}", "malformed"),
    ("Bearer Bearer {token}", "malformed"),
    ('Bearer "{token}"', "malformed"),
    ("Bearer " + "x" * 5000, "malformed"),
    ("Bearer " + FORM, "bad-signature"),
    ("bearer {flipped}", "bad-signature"),
]


def test_each_cause_is_in_the_log_and_counted(installation: Installation, app: Connected) -> None:
    already = len(installation.log())
    # The service looks for an app that it does not know once a second.
    time.sleep(refused_tokens.LOOK_EVERY)
    flipped = app.text[:20] + ("A" if app.text[20] != "A" else "B") + app.text[21:]
    answers = set()
    for header, cause in CASES:
        text = header and header.format(token=app.text, cut=app.text[:-5], flipped=flipped)
        given = {} if text is None else {"Authorization": text}
        answer = installation.client(app.slug, None).get("/Users", headers=given)
        assert_scim_error(answer, 401)
        # No client learns the cause: the answers differ in the request id alone.
        answers.add(answer.content.replace(answer.headers["x-request-id"].encode(), b""))
        line = line_of(installation, answer)
        assert line.endswith(f" token={cause}"), (header, line)
        assert f" app={app.slug} " in line
    assert len(answers) == 1
    # Neither the token nor a part of it is in any line.
    lines = installation.log()[already:]
    assert app.text[:16] not in lines
    assert "garbage" not in lines
    expected = {"malformed": 6, "not-bearer": 3, "bad-signature": 2, "missing": 2}
    assert counted(installation, app, len(CASES)) == expected
    commands = CommandLine(installation.env)
    assert commands.json("app", "show", app.slug)["refused_tokens_this_week"] == expected
    printed = commands.ok("app", "show", app.slug, "--all")
    assert "malformed, cut off, or no token of scimlite at all: 6 times this week" in printed


def test_the_causes_of_a_signed_token(installation: Installation, app: Connected) -> None:
    workspace = installation.workspace(installation.app_row(app))
    other = installation.app("Another app")
    gone = installation.app("Gone")
    apps.delete(installation.scope, gone.slug)
    revoked, revoked_text = tokens.issue(workspace, installation.keyring, label="revoked")
    tokens.revoke(workspace, revoked)
    _, late = tokens.issue(workspace, installation.keyring, label="late", expires_at=clock.now() - 1)
    time.sleep(refused_tokens.LOOK_EVERY)
    for text, cause in (
        (other.text, "wrong-app"),
        (gone.text, "unknown"),
        (revoked_text, "revoked"),
        (late, "expired"),
    ):
        answer = installation.client(app.slug, text).get("/Users")
        assert_scim_error(answer, 401)
        assert line_of(installation, answer).endswith(f" token={cause}")
    apps.set_enabled(installation.scope, app.slug, enabled=False)
    answer = app.client.get("/Users")
    assert_scim_error(answer, 401)
    assert line_of(installation, answer).endswith(" token=app-disabled")
    expected = dict.fromkeys(("app-disabled", "expired", "revoked", "unknown", "wrong-app"), 1)
    assert counted(installation, app, 5) == expected


def test_what_is_right_has_no_cause(installation: Installation, app: Connected) -> None:
    assert "token=" not in line_of(installation, app.client.get("/Users").ok())


def test_an_app_that_does_not_exist_is_not_in_the_log(installation: Installation, app: Connected) -> None:
    line = line_of(installation, installation.client("nobody-has-this", app.text).get("/Users"))
    assert line.endswith(" token=wrong-app")
    assert " app=- " in line


def test_a_flood_costs_no_statement_of_its_own(installation: Installation, app: Connected) -> None:
    client = installation.client(app.slug, "garbage")
    assert_scim_error(client.get("/Users"), 401)
    refused_tokens.count(installation.db, app.slug, refused_tokens.Cause.MALFORMED, "192.0.2.1")
    with installation.db.counting() as statements:
        for _ in range(50):
            refused_tokens.count(installation.db, app.slug, refused_tokens.Cause.MALFORMED, "192.0.2.1")
        begun = time.monotonic()
        for number in range(50):
            refused_tokens.count(installation.db, f"nobody-{number}", refused_tokens.Cause.MALFORMED, "192.0.2.1")
        # One look a second for slugs that do not exist, and no write.
        assert len(statements) <= 2 + (time.monotonic() - begun)
    assert all(statement.startswith("SELECT") for statement in statements)


def test_a_cause_of_a_newer_version_has_its_name_for_words() -> None:
    assert refused_tokens.words("from-the-future") == "from-the-future"
