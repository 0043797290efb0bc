"""The connection test: plays an identity provider against the running service, and says which steps work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult

from .. import clock
from ..apps import trial
from ..apps.keyring import Keyring, TokenError
from ..apps.workspace import Workspace
from . import tokens
from .provider_requests import ProviderRequests
from .wire import Answer, Wire, WireError

#: The beginning of a token's text, which tells it from a label.
_TOKEN_PREFIX = "scimlite_"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the test; `works` is None when it was not tried, because a step before it failed."""

    name: str
    works: bool | None
    milliseconds: float | None = None
    status: int | None = None
    #: Why it does not work, and what to do about it.
    meaning: str | None = None
    advice: str | None = None
    #: A feature that is off forbids it; then `works` is None.
    forbidden: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """The steps of a test in their order, and remarks on answers that may not be what the operator wants."""

    steps: list[Step]
    notes: list[str]

    @property
    def failed(self) -> int:
        """How many steps do not work."""
        return sum(step.works is False for step in self.steps)

    @property
    def untried(self) -> int:
        """How many steps were not tried."""
        return sum(step.works is None and not step.forbidden for step in self.steps)


class ConnectionTest:
    """A test of an app's SCIM base URL with one of the app's tokens.

    `token` is a token's text, a label, or None for the app's own; `app_url` is the base URL that the app should have.
    Raises TokenError when the app has no such token. A token that is shown for the test is journalled.
    """

    def __init__(
        self, workspace: Workspace, keyring: Keyring, base: SplitResult, *, app_url: str, token: str | None = None
    ) -> None:
        self._workspace = workspace
        self._keyring = keyring
        self._base = base
        self._app_url = app_url
        self._token = token = token if token is None else _pasted(token)
        if token is not None and token.startswith(_TOKEN_PREFIX):
            if not token.isascii() or not token.isprintable():
                raise TokenError("The given token has a character that no token has: copy it again.")
            self._text, self.token_name = token, "the given token"
        else:
            chosen = tokens.get(workspace.db, workspace.app, token)
            self._text = tokens.show(workspace, keyring, chosen)
            self.token_name = f"the token {chosen.label!r}"

    def run(self, report: Callable[[Step], None]) -> Result:
        """Tries all steps and calls `report` after each; removes what it created, also after a failure."""
        proof = trial.proof(self._keyring, self._workspace.app.slug)
        wire = Wire(self._base, self._text, proof=proof, why_unauthorized=self._why_unauthorized)
        requests = ProviderRequests(wire, self._workspace)
        trials = _Trials(report)
        try:
            _try_all(trials, requests)
        finally:
            requests.clean_up()
            wire.close()
        return Result(trials.steps, requests.notes)

    def _why_unauthorized(self) -> tuple[str, str]:
        """Returns the meaning of a 401 and the advice; no client learns the reason, but the database here has it."""
        app, token = self._workspace.app, self._token
        if not self._base.path.endswith(f"/{app.slug}"):
            return (
                f"The token is not accepted, as the address does not end in /{app.slug}.",
                f"Use {self._app_url}: each app has a base URL of its own.",
            )
        if not app.enabled:
            return "The app is disabled: none of its tokens is accepted.", f"Enable it: scimlite app enable {app.slug}"
        if token is not None and token.startswith(_TOKEN_PREFIX):
            return (
                "The given token is not accepted: it is mistyped, expired, revoked, or of another app.",
                f"`scimlite token list {app.slug}` shows the app's tokens, "
                f"`scimlite token show {app.slug}` the text of one.",
            )
        state = tokens.get(self._workspace.db, app, token).state(clock.now())
        if state != "active":
            return f"The token is {state}.", f"Issue another one: scimlite token issue {app.slug}"
        return (
            "The service does not accept a token that is right here: it runs on another database or with another key.",
            "Compare SCIMLITE_DATABASE_URL, SCIMLITE_STATE_DIR and SCIMLITE_SECRET_KEY of the service with those here.",
        )


def _pasted(text: str) -> str:
    """Returns a token without what comes along when it is copied: blanks, quotation marks, the word Bearer."""
    bare = text.strip(" \t\r\n\"'").removeprefix("Authorization:").strip()
    bare = bare[len("Bearer") :].strip() if bare.lower().startswith("bearer ") else bare
    # A label is taken as it is.
    return bare if bare.startswith(_TOKEN_PREFIX) else text


def _try_all(trials: _Trials, requests: ProviderRequests) -> None:
    """Tries the steps in an identity provider's order; a step that needs one that failed is not tried."""
    attempt = trials.attempt
    attempt("The service answers", requests.read_config)
    attempt("The token is accepted, and the schemas can be read", requests.read_schemas)
    attempt("Test Connection: an unknown user is not found", requests.find_no_user)
    attempt("Test Connection: an unknown group is not found", requests.find_no_group)
    user = attempt("A user can be created", requests.create_user)
    attempt("The user is found by userName", requests.find_user, when=user)
    attempt("The user can be read", requests.read_user, when=user)
    group = attempt("A group can be created", requests.create_group)
    member = attempt("The user can be added to the group", requests.add_member, when=user and group)
    attempt("The user can be taken out of the group", requests.remove_member, when=member)
    attempt("The group can be deleted", requests.delete_group, when=group)
    attempt("The user can be disabled", requests.disable_user, when=user)
    attempt("The user can be deleted", requests.delete_user, when=user)


class _Trials:
    """The steps so far; after trouble that is final, no further one is tried."""

    def __init__(self, report: Callable[[Step], None]) -> None:
        self.steps: list[Step] = []
        self._report = report
        self._stopped = False

    def attempt(self, name: str, request: Callable[[], Answer], *, when: bool = True) -> bool:
        """Tries one step and reports it; returns whether it works."""
        step = self._tried(name, request) if when and not self._stopped else Step(name, None)
        self.steps.append(step)
        self._report(step)
        return bool(step.works)

    def _tried(self, name: str, request: Callable[[], Answer]) -> Step:
        began = time.perf_counter()
        try:
            answer = request()
        except WireError as trouble:
            self._stopped = trouble.final
            works = None if trouble.forbidden else False
            why = (trouble.status, trouble.meaning, trouble.advice, trouble.forbidden)
            return Step(name, works, _milliseconds(began), *why)
        return Step(name, True, _milliseconds(began), answer.status)


def _milliseconds(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
