"""The app and the token that a new installation begins with."""

from scimlite.admin import tokens
from scimlite.admin.first_connection import first_connection


def test_it_is_made_once(site):
    scope, keyring = site.installation.scope, site.installation.keyring
    made = first_connection(scope, keyring, "Entra ID")
    again = first_connection(scope, keyring, "Okta")
    assert (made.app.slug, made.apps) == (again.app.slug, again.apps) == ("entra-id", 1)
    assert made.token is not None
    assert again.token is None, "shown only when it is made"


def test_an_app_without_a_lasting_token_gets_one(site):
    scope, keyring, db = site.installation.scope, site.installation.keyring, site.installation.db
    made = first_connection(scope, keyring, "Entra ID")
    (token,) = tokens.every(db, made.app)
    tokens.revoke(site.installation.workspace(made.app), token)
    assert first_connection(scope, keyring, "Entra ID").token != made.token
    assert len(tokens.every(db, made.app)) == 2
