"""canaille as a real identity provider: what is saved or deleted there is pushed to the service."""

from __future__ import annotations

import datetime
import os
import uuid
from functools import partial
from typing import Any

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from canaille import create_app  # reads the environment when imported
from canaille.app import models
from canaille.backends import Backend
from session import BASE, TOKEN, find, report, step

CONFIGURATION = {
    "TESTING": True,
    "ENV_FILE": None,
    "SECRET_KEY": str(uuid.uuid4()),
    "WTF_CSRF_ENABLED": False,
    "SERVER_NAME": "canaille.example",
    "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False},
    "CANAILLE_OIDC": {"DYNAMIC_CLIENT_REGISTRATION_OPEN": True},
    "CANAILLE_SCIM": {"ENABLE_CLIENT": True},
}


def main() -> None:
    """Users and groups are created, changed and deleted in canaille, and looked for on the service."""
    app = create_app(config=CONFIGURATION)
    with app.app_context(), Backend.instance.session():
        _trust(Backend.instance)
        users = [step(f"push user {number}", partial(_user, f"user{number}")) for number in range(5)]
        group = step("push a group", lambda: _save(models.Group(display_name="Push", members=users[:3])))
        held = find("Groups", 'displayName eq "Push"')
        step("the group has its members", lambda: len(held) == 1 and len(held[0]["members"]) == 3)
        users[0].family_name = "Renamed"
        step("push a change", lambda: _save(users[0]) and True)
        step("the change arrived", lambda: len(find("Users", 'name.familyName eq "Renamed"')) == 1)
        users[1].lock_date = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        step("push a locked user", lambda: _save(users[1]) and True)
        group.members = [users[0], users[4]]
        step("push other members", lambda: _save(group) and True)
        changed = find("Groups", 'displayName eq "Push"')
        step("the members are the new ones", lambda: len(changed[0]["members"]) == 2)
        step("push a deletion", lambda: Backend.instance.delete(users[3]) is None)
        step("the deleted one is gone", lambda: find("Users", 'userName eq "user3"') == [])
        step("the others are there", lambda: len(find("Users", 'userName sw "user"')) == 4)
    report()


def _trust(backend: Any) -> None:
    """A client of canaille, trusted for being on this machine, whose SCIM endpoint and token are the service's."""
    client = models.Client(
        client_id="scimlite",
        client_name="scimlite",
        client_uri=BASE,
        redirect_uris=["https://app.example/callback"],
        scope=["openid", "profile"],
    )
    backend.save(client)
    token = models.Token(
        token_id="token",
        access_token=TOKEN,
        subject=None,
        audience=[client],
        client=client,
        refresh_token="refresh",
        scope=["openid", "profile"],
        issue_date=datetime.datetime.now(datetime.UTC),
        lifetime=3600,
    )
    backend.save(token)


def _user(name: str) -> Any:
    made = _save(
        models.User(
            user_name=name,
            family_name=f"Family {name}",
            given_name="Given",
            formatted_name=f"Given Family {name}",
            display_name=name,
            emails=[f"{name}@example.com"],
        )
    )
    if len(find("Users", f'userName eq "{name}"')) != 1:
        raise LookupError(f"{name} did not arrive")
    return made


def _save(resource: Any) -> Any:
    Backend.instance.save(resource)
    return resource


main()
