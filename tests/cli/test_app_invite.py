"""`scimlite app invite`."""

from __future__ import annotations

import re


def test_a_link_is_made_listed_shown_and_revoked(site):
    slug = site.json("app", "create", "Invited")["slug"]
    made = site.json("app", "invite", slug, "--expires", "2d")
    assert re.fullmatch(r"http://\S+/console/setup/[\w-]{22}\.[\w-]{43}", made["url"])
    assert made["state"] == "active"
    number = str(made["id"])
    assert site.ok("app", "invite", slug, "--show", number).strip() == made["url"]
    assert re.search(rf"^{number} +active", site.ok("app", "invite", slug, "--list"), re.MULTILINE)
    assert "is revoked" in site.run("app", "invite", slug, "--revoke", number).stderr
    assert "was already revoked" in site.run("app", "invite", slug, "--revoke", number).stderr
    assert re.search(rf"^{number} +revoked", site.ok("app", "invite", slug, "--list"), re.MULTILINE)
    site.ok("app", "delete", slug, "--yes")


def test_what_is_wrong_is_said(site):
    slug = site.json("app", "create", "Invited")["slug"]
    assert "There is no set-up link." in site.run("app", "invite", slug, "--list").stderr
    assert "good for 90 days at most" in site.run("app", "invite", slug, "--expires", "91d").stderr
    assert "has no set-up link 4711" in site.run("app", "invite", slug, "--revoke", "4711").stderr
    assert "exclude each other" in site.run("app", "invite", slug, "--list", "--revoke", "1").stderr
    site.ok("app", "disable", slug)
    assert "enable it first" in site.run("app", "invite", slug).stderr
    site.ok("app", "delete", slug, "--yes")
