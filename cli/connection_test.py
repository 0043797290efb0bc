"""`scimlite app test`: plays an identity provider against the running service and says what works."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import SplitResult, quote

import click

from scimlite import clock
from scimlite.admin import apps, tokens
from scimlite.apps import App

from .context import Context
from .installation import with_installation
from .output import json_option, print_json, visible
from .wire import Answer, Trouble, Wire, split_url, wrong_address

_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#: What a token's text begins with: `--token` takes labels too.
_TOKEN_PREFIX = "scimlite_"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried: `works` is None when something before it failed."""

    name: str
    works: bool | None
    milliseconds: float | None = None
    status: int | None = None
    meaning: str | None = None
    advice: str | None = None


class _Url(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of Click
    """A SCIM base URL."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SplitResult:
        try:
            return split_url(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("test")
@click.argument("slug")
@click.option("--url", type=_Url(), metavar="URL", help="SCIM base URL to test.  [the one of `scimlite app show`]")
@click.option("--token", metavar="TOKEN", help="Label of a token, or the token itself.  [the app's own]")
@json_option
@with_installation
def connection_test(context: Context, slug: str, url: SplitResult | None, token: str | None, as_json: bool) -> None:
    """Play an identity provider against the running service, and say what works.

    First what Entra ID does for Test Connection; then a user named scimlite-test-… is created, found, put into a
    group, disabled and deleted. What was created is removed again, also after a failure. Exits with 1 when
    something does not work, with what it means and what to do.

    \b
    Examples: scimlite app test entra-id
              scimlite app test entra-id --url https://scim.example.com/scim/v2/entra-id
    """
    app = apps.get(context.db, slug)
    base = url or split_url(context.scim_url(app.slug))
    text, label = _token(context, app, token)
    if not as_json:
        click.echo(f"Testing {app.slug} at {base.geturl()} with {label}.", err=True)
    wire = Wire(base, text, why_unauthorized=lambda: _why_unauthorized(context, app, base, token))
    rounds = _Round(wire, (lambda step: None) if as_json else _print)
    try:
        rounds.run()
    finally:
        rounds.clean_up()
        wire.close()
    failed = sum(step.works is False for step in rounds.steps)
    if as_json:
        steps = [asdict(step) for step in rounds.steps]
        print_json({"app": app.slug, "url": base.geturl(), "ok": not failed, "steps": steps, "notes": rounds.notes})
    else:
        for note in rounds.notes:
            click.echo(f"Note: {note}", err=True)
        click.echo("Everything works." if not failed else _failed(rounds.steps))
    if failed:
        click.get_current_context().exit(1)


def _token(context: Context, app: App, given: str | None) -> tuple[str, str]:
    """The token to test with and what to call it; TokenError when the app has none."""
    if given is not None and given.startswith(_TOKEN_PREFIX):
        return given, "the given token"
    token = tokens.get(context.db, app, given)
    return tokens.show(context.workspace(app), context.keyring, token), f"the token {token.label!r}"


def _why_unauthorized(context: Context, app: App, base: SplitResult, given: str | None) -> tuple[str, str]:
    """What a 401 means: the service tells nobody, but the database here does."""
    if not base.path.endswith(f"/{app.slug}"):
        return (
            f"The token is not accepted, as the address does not end in /{app.slug}.",
            f"Use {context.scim_url(app.slug)}: each app has a base URL of its own.",
        )
    if not app.enabled:
        return "The app is disabled: none of its tokens is accepted.", f"Enable it: scimlite app enable {app.slug}"
    if given is not None and given.startswith(_TOKEN_PREFIX):
        return (
            "The given token is not accepted: it is mistyped, expired, revoked, or of another app.",
            f"`scimlite token list {app.slug}` shows the app's tokens, `scimlite token show {app.slug}` one's text.",
        )
    state = tokens.get(context.db, app, given).state(clock.now())
    if state != "active":
        return f"The token is {state}.", f"Issue another one: scimlite token issue {app.slug}"
    return (
        "The service does not accept a token that is right here: it runs on another database or with another key.",
        "Compare SCIMLITE_DATABASE_URL, SCIMLITE_STATE_DIR and SCIMLITE_SECRET_KEY of the service with those here.",
    )


class _Round:
    """The requests of an identity provider, in its order."""

    def __init__(self, wire: Wire, tell: Callable[[Step], None]) -> None:
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self._wire = wire
        self._tell = tell
        self._stopped = False
        self._name = f"scimlite-test-{uuid.uuid4().hex[:12]}"
        #: What may have been created and is not yet removed: endpoint to the filter that finds it.
        self._left: dict[str, str] = {}
        self._user = ""
        self._group = ""

    def run(self) -> None:
        """Try everything; what depends on something that failed is not tried."""
        self._try("The service answers", self._read_config)
        self._try("The token is accepted, and the schemas can be read", self._read_schemas)
        self._try("Test Connection: a user who is not there is not found", self._find_no_user)
        self._try("Test Connection: a group that is not there is not found", self._find_no_group)
        user = self._try("A user can be created", self._create_user)
        self._try("The user is found by userName", self._find_user, when=user)
        self._try("The user can be read", self._read_user, when=user)
        group = self._try("A group can be created", self._create_group)
        member = self._try("The user can be added to the group", self._add_member, when=user and group)
        self._try("The user can be taken out of the group", self._remove_member, when=member)
        self._try("The group can be deleted", self._delete_group, when=group)
        self._try("The user can be disabled", self._disable_user, when=user)
        self._try("The user can be deleted", self._delete_user, when=user)

    def clean_up(self) -> None:
        """Remove what is still there; says so when that fails."""
        for endpoint, condition in reversed(self._left.items()):
            self._wire.close()
            try:
                for found in self._found(endpoint, condition):
                    self._wire.ask("DELETE", f"/{endpoint}/{quote(found['id'])}", expect=(204, 404))
            except Trouble:
                self.notes.append(f"{self._name} may still be in {endpoint}: remove it when the service works again.")

    def _try(self, name: str, work: Callable[[], Answer], *, when: bool = True) -> bool:
        """Do one thing and tell how it went."""
        if self._stopped or not when:
            self._done(Step(name, None))
            return False
        began = time.perf_counter()

        def milliseconds() -> float:
            return round((time.perf_counter() - began) * 1000, 1)

        try:
            answer = work()
        except Trouble as trouble:
            self._stopped = trouble.final
            self._done(Step(name, False, milliseconds(), trouble.status, trouble.meaning, trouble.advice))
            return False
        self._done(Step(name, True, milliseconds(), answer.status))
        return True

    def _done(self, step: Step) -> None:
        self.steps.append(step)
        self._tell(step)

    # --- the requests ---------------------------------------------------------------------------------------------

    def _read_config(self) -> Answer:
        answer = self._wire.ask("GET", "/ServiceProviderConfig", expect=(200, 404))
        if answer.status == 404:
            raise wrong_address(answer)
        _check("patch" in answer.json, "The answer is no ServiceProviderConfig.", answer)
        return answer

    def _read_schemas(self) -> Answer:
        answer = self._wire.ask("GET", "/Schemas")
        ids = [each.get("id") for each in _resources(answer)]
        _check(_USER in ids, "The schema of users is missing.", answer)
        return answer

    def _find_no_user(self) -> Answer:
        return self._find_nothing("Users", f'userName eq "{uuid.uuid4()}"')

    def _find_no_group(self) -> Answer:
        return self._find_nothing("Groups", f'displayName eq "{uuid.uuid4()}"', "excludedAttributes=members&")

    def _find_nothing(self, endpoint: str, condition: str, before: str = "") -> Answer:
        answer = self._wire.ask("GET", f"/{endpoint}?{before}filter={quote(condition)}")
        _check(answer.json.get("totalResults") == 0, "Something was found that does not exist.", answer)
        return answer

    def _create_user(self) -> Answer:
        with self._leaving("Users", self._by_name):
            answer = self._wire.ask(
                "POST",
                "/Users",
                {
                    "schemas": [_USER],
                    "userName": self._user_name,
                    "displayName": "scimlite connection test, may be deleted",
                    "externalId": self._name,
                    "active": True,
                },
                expect=(201,),
            )
            self._user = _id(answer)
        self._look_at_address(answer)
        return answer

    @property
    def _user_name(self) -> str:
        # RFC 2606 section 2: nobody has an address there.
        return f"{self._name}@example.invalid"

    @property
    def _by_name(self) -> str:
        return f'userName eq "{self._user_name}"'

    def _look_at_address(self, answer: Answer) -> None:
        """Whether the service knows the address it was reached at."""
        told = answer.headers.get("location", "").removesuffix(f"/Users/{self._user}")
        if told != self._wire.base.geturl():
            self.notes.append(
                f"The service calls itself {told}. If that is not where the identity provider reaches it, set "
                "SCIMLITE_BASE_URL, or SCIMLITE_TRUSTED_PROXIES when a proxy is in front."
            )

    def _find_user(self) -> Answer:
        answer = self._wire.ask("GET", f"/Users?filter={quote(self._by_name)}")
        _check([each.get("id") for each in _resources(answer)] == [self._user], "It is not found.", answer)
        return answer

    def _read_user(self) -> Answer:
        answer = self._wire.ask("GET", f"/Users/{self._user}")
        _check(answer.json.get("userName") == self._user_name, "Another userName came back.", answer)
        return answer

    def _create_group(self) -> Answer:
        with self._leaving("Groups", f'displayName eq "{self._name}"'):
            answer = self._wire.ask("POST", "/Groups", {"schemas": [_GROUP], "displayName": self._name}, expect=(201,))
            self._group = _id(answer)
        return answer

    def _add_member(self) -> Answer:
        answer = self._patch_members({"op": "Add", "path": "members", "value": [{"value": self._user}]})
        _check(self._members() == [self._user], "The group does not show the member.", answer)
        return answer

    def _remove_member(self) -> Answer:
        answer = self._patch_members({"op": "Remove", "path": f'members[value eq "{self._user}"]'})
        _check(self._members() == [], "The group still shows the member.", answer)
        return answer

    def _patch_members(self, operation: dict[str, Any]) -> Answer:
        return self._patch(f"/Groups/{self._group}", operation)

    def _members(self) -> list[str]:
        group = self._wire.ask("GET", f"/Groups/{self._group}").json
        return [member["value"] for member in group.get("members", [])]

    def _delete_group(self) -> Answer:
        answer = self._wire.ask("DELETE", f"/Groups/{self._group}", expect=(204,))
        self._wire.ask("GET", f"/Groups/{self._group}", expect=(404,))
        del self._left["Groups"]
        return answer

    def _disable_user(self) -> Answer:
        # The spelling of Entra ID; an app that deletes whom it is told to disable answers 404 from then on.
        answer = self._patch(f"/Users/{self._user}", {"op": "Replace", "path": "active", "value": "False"})
        now = self._wire.ask("GET", f"/Users/{self._user}", expect=(200, 404))
        _check(now.status == 404 or now.json.get("active") is False, "The user is still active.", answer)
        return answer

    def _delete_user(self) -> Answer:
        answer = self._wire.ask("DELETE", f"/Users/{self._user}", expect=(204, 404))
        self._wire.ask("GET", f"/Users/{self._user}", expect=(404,))
        del self._left["Users"]
        return answer

    def _patch(self, path: str, operation: dict[str, Any]) -> Answer:
        body = {"schemas": [_PATCH], "Operations": [operation]}
        return self._wire.ask("PATCH", path, body, expect=(200, 204))

    def _found(self, endpoint: str, condition: str) -> list[dict[str, Any]]:
        return _resources(self._wire.ask("GET", f"/{endpoint}?attributes=id&filter={quote(condition)}"))

    @contextmanager
    def _leaving(self, endpoint: str, condition: str) -> Iterator[None]:
        """Remember that something is there from here on, unless its creation is surely refused."""
        self._left[endpoint] = condition
        try:
            yield
        except Trouble as trouble:
            if trouble.status is not None and 400 <= trouble.status < 500:
                del self._left[endpoint]
            raise


def _id(answer: Answer) -> str:
    found = answer.json.get("id")
    _check(isinstance(found, str) and bool(found), "The answer holds no id.", answer)
    return str(found)


def _resources(answer: Answer) -> list[dict[str, Any]]:
    found = answer.json.get("Resources", [])
    _check(isinstance(found, list) and all(isinstance(each, dict) for each in found), "This is no list.", answer)
    return list(found)


def _check(right: bool, meaning: str, answer: Answer) -> None:
    """Trouble unless the answer is right."""
    if not right:
        advice = "Look for this request in the service's log, and whether a proxy changes what passes through it."
        raise Trouble(meaning, advice, status=answer.status)


def _failed(steps: list[Step]) -> str:
    """How much did not work, and what was not tried because of it."""
    failed, untried = (sum(step.works is state for step in steps) for state in (False, None))
    text = f"{failed} of {len(steps)} steps did not work"
    return f"{text}; {untried} that depend on them were not tried." if untried else f"{text}."


def _print(step: Step) -> None:
    """One line, and for a failure what it means and what to do."""
    if step.works is None:
        return
    took = f"{step.milliseconds:.0f} ms"
    if step.works:
        click.echo(f"  {click.style('ok', fg='green')}   {step.name:<62}{took:>9}")
        return
    click.echo(f"  {click.style('FAIL', fg='red')} {step.name:<62}{took:>9}")
    click.echo(f"       {visible(step.meaning or '')}")
    click.echo(f"       {visible(step.advice or '')}")
