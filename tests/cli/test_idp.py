"""What an operator pastes, under the names that each identity provider gives its fields."""

from __future__ import annotations

import re

import pytest

from scimlite.admin.identity_providers import identity_provider
from scimlite.service_address import Address
from scimlite_cli.kit.idp import connection_block

FIELDS = {
    "entra": ("Tenant URL", "Secret Token"),
    "okta": ("SCIM connector base URL", "Authorization"),
    "onelogin": ("SCIM Base URL", "SCIM Bearer Token"),
    "jumpcloud": ("Base URL", "Token Key"),
    "google": ("Endpoint URL", "Access token"),
    "ping": ("SCIM URL (PingOne: SCIM Base URL)", "Access Token"),
    "keycloak": ("SCIM 2.0 endpoint", "Auth password/token"),
    "authentik": ("URL", "Token"),
    "other": ("SCIM base URL", "Bearer token"),
}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Entra ID", "entra"),
        ("Azure AD, production", "entra"),
        ("Microsoft", "entra"),
        ("AAD test", "entra"),
        ("OKTA-preview", "okta"),
        ("Our OneLogin", "onelogin"),
        ("One Login", "onelogin"),
        ("JumpCloud", "jumpcloud"),
        ("Google Workspace", "google"),
        ("PingOne", "ping"),
        ("keycloak.example.com", "keycloak"),
        ("authentik", "authentik"),
        ("HR", "other"),
        ("Shipping", "other"),
        ("", "other"),
    ],
)
def test_the_name_of_an_app_suggests_its_identity_provider(name, key):
    assert identity_provider(None, name).key == key
    # What is given counts more than the name.
    assert identity_provider("other", name).key == "other"


def test_the_slug_is_a_name_too():
    assert identity_provider(None, "Staff", "okta-staff").key == "okta"


def test_a_profile_says_more_than_a_name(site):
    assert "Tenant URL" in site.ok("app", "create", "People of Okta", "--profile", "entra")
    assert "Bearer token" in site.ok("app", "create", "People", "--profile", "ms-reference")


@pytest.mark.parametrize("key", FIELDS)
def test_each_command_prints_the_fields_of_the_identity_provider(site, key):
    slug = site.json("app", "create", "Staff")["slug"]
    printed = site.ok("app", "create", "Others", "--idp", key)
    url_field, token_field = FIELDS[key]
    assert re.search(rf"^    {re.escape(url_field)}  +http://\S+/scim/v2/others", printed, re.MULTILINE)
    assert re.search(rf"^    {re.escape(token_field)}  +scimlite_\S+$", printed, re.MULTILINE)
    for command in (("token", "show", slug), ("token", "rotate", slug), ("token", "issue", slug, "--label", "b")):
        said = site.run(*command, "--idp", key).stderr
        assert re.search(rf"^    {re.escape(url_field)}  ", said, re.MULTILINE), command
        assert re.search(rf"^    {re.escape(token_field)}  ", said, re.MULTILINE), command
    site.ok("app", "delete", "others", "--yes")
    site.ok("app", "delete", slug, "--yes")


def test_only_an_identity_provider_elsewhere_asks_for_https(site):
    assert "OneLogin asks for https" in site.run("app", "create", "OneLogin").stderr
    assert site.run("app", "create", "Keycloak").stderr == ""


def test_an_unknown_identity_provider_is_a_usage_error(site):
    assert "'--idp'" in site.fails("app", "create", "Any", "--idp", "nobody", code=2)


def test_a_block_fits_80_columns_and_breaks_no_value():
    url = "https://scim.example.com/" + "x" * 90
    for key in FIELDS:
        provider = identity_provider(key)
        block = connection_block(provider, "A", "a", Address(url, None), "scimlite_" + "t" * 90)
        assert url in block
        assert "scimlite_" + "t" * 90 in block
        assert all(len(line) <= 80 for line in block.splitlines() if "xxxx" not in line and "tttt" not in line)
