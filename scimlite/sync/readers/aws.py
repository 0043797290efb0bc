"""Sources of the kind aws: the Identity Store of IAM Identity Center, read with boto3 by connections of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..reading import GROUP, USER, Finding, IncompleteError, Kind, Opening, Option, Record, SourceError
from .api import Page, key_of, once
from .documents import values_of

Json = Any

_PAGE = 100
#: Seconds to connect, and for an answer.
_CONNECT, _READ = 5, 15
#: How often a request is sent when it is throttled; boto3 then also sends fewer.
_TRIES = 10
_LEFT_OUT = frozenset(("identitystoreid", "userstatus"))
_KEYS = {USER: "UserId", GROUP: "GroupId"}
_WHAT = {USER: "the users", GROUP: "the groups"}
#: Codes of errors: the credentials are not right; they lack a right.
_NOT_ACCEPTED = frozenset(
    (
        *("UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "ExpiredToken"),
        *("InvalidClientTokenId", "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken"),
    )
)
_DENIED = frozenset(("AccessDeniedException", "AccessDenied", "UnauthorizedOperation"))
_ABSENT = "ResourceNotFoundException"


class AwsError(SourceError):
    """AWS refuses a request; `step` is the step of a test that failed."""

    def __init__(self, text: str, step: str) -> None:
        super().__init__(text)
        self.step = step


class AwsReader:
    """Reads users, and groups with their memberships group by group. AWS does not tell what changed."""

    def __init__(self, opening: Opening) -> None:
        self._store = opening.text("store") or ""
        self._region = opening.text("region")
        self._groups = opening.text("groups") != "no" and GROUP in opening.attributes
        self._client = _client(self._region, opening.text("profile"))

    def check(self) -> Iterator[Finding]:
        """Asks for the first users, groups and memberships."""
        try:
            yield from self._checked()
        except AwsError as error:
            yield Finding(error.step, False, str(error))
        except SourceError as error:
            yield Finding("answer", False, str(error))

    def _checked(self) -> Iterator[Finding]:
        users = self._first("list_users", "ListUsers", "Users", "the users")
        yield Finding("connection", True, f"the identity store {self._store} answers")
        yield Finding("users", True if users else None, "can be read" if users else "there are none")
        if self._groups:
            groups = self._first("list_groups", "ListGroups", "Groups", "the groups")
            for group in groups:
                next(self._members(key_of(group, "the groups", "GroupId")), None)
            yield Finding("groups", True, "can be read, and their members" if groups else "there are none")

    def _first(self, call: str, right: str, name: str, what: str) -> list[dict[str, Json]]:
        with _told(what, right):
            answer = getattr(self._client, call)(IdentityStoreId=self._store, MaxResults=1)
        return Page(answer, {}).list(name, what)

    def identity(self) -> str:
        """The id of the identity store."""
        return self._store

    def position(self) -> str | None:
        """Nothing tells changes."""
        return None

    def everything(self) -> Iterator[Record]:
        """Yields all users, then all groups."""
        for user in self._list("list_users", "ListUsers", "Users", USER):
            yield self._user(user)
        if self._groups:
            for group in self._list("list_groups", "ListGroups", "Groups", GROUP):
                yield self._group(group)

    def changed(self, position: str) -> Iterable[str] | None:
        """Everything must be read."""
        return None

    def read(self, keys: Sequence[str]) -> Iterator[Record]:
        """Yields these users and groups."""
        for key in keys:
            user = self._one("describe_user", "DescribeUser", USER, key)
            if user is not None:
                yield self._user(user)
                continue
            group = self._one("describe_group", "DescribeGroup", GROUP, key) if self._groups else None
            if group is not None:
                yield self._group(group)

    def resolve(self, reference: str) -> str | None:
        """Members are ids."""
        return reference or None

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _pages(self, call: str, right: str, what: str, **narrowed: str) -> Iterator[Page]:
        """The pages of a list, which end when AWS gives no token for another one."""
        paginator = self._client.get_paginator(call)
        pages = iter(paginator.paginate(IdentityStoreId=self._store, PaginationConfig={"PageSize": _PAGE}, **narrowed))
        while True:
            with _told(what, right):
                answer = next(pages, None)
            if answer is None:
                return
            yield Page(answer, {})

    def _list(self, call: str, right: str, name: str, type: str) -> Iterator[dict[str, Json]]:
        return once(self._pages(call, right, _WHAT[type]), name, _WHAT[type], _KEYS[type])

    def _one(self, call: str, right: str, type: str, key: str) -> dict[str, Json] | None:
        from botocore.exceptions import ClientError, ParamValidationError

        with _told(f"the {type.lower()} {key}", right):
            try:
                found = getattr(self._client, call)(IdentityStoreId=self._store, **{_KEYS[type]: key})
            except ParamValidationError:
                return None
            except ClientError as error:
                # The other is for what cannot be an id.
                if error.response["Error"].get("Code") in (_ABSENT, "ValidationException"):
                    return None
                raise
        return {name: value for name, value in found.items() if name != "ResponseMetadata"}

    def _user(self, user: dict[str, Json]) -> Record:
        key: str = user["UserId"]
        values = values_of(user, _LEFT_OUT)
        name = values.get("UserName", values.get("DisplayName", [key]))[0]
        return Record(USER, key, name, values, user.get("UserStatus", "ENABLED") != "DISABLED")

    def _group(self, group: dict[str, Json]) -> Record:
        key: str = group["GroupId"]
        values = values_of(group, _LEFT_OUT)
        return Record(GROUP, key, values.get("DisplayName", [key])[0], values, members=list(self._members(key)))

    def _members(self, group: str) -> Iterator[str]:
        what = f"the members of the group {group}"
        pages = self._pages("list_group_memberships", "ListGroupMemberships", what, GroupId=group)
        for membership in once(pages, "GroupMemberships", what, "MembershipId"):
            yield key_of(membership.get("MemberId"), what, "UserId")


@contextmanager
def _told(what: str, right: str) -> Iterator[None]:
    """Tells errors of boto3 in words. Raises AwsError and IncompleteError."""
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        raise _refusal(str(error.response["Error"].get("Code")), what, right) from None
    except NoCredentialsError:
        raise AwsError(
            "This process has no AWS credentials: give it a role, variables of the environment, or --profile.",
            "sign-in",
        ) from None
    except (ConnectionError, HTTPClientError) as error:
        raise AwsError(f"AWS cannot be reached for {what}: {type(error).__name__}. Nothing was done.", "TCP") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        # boto3 takes it for granted that an answer has the right form.
        raise IncompleteError(f"AWS answered something else than {what}. Nothing was done.") from None
    except BotoCoreError as error:
        # Its text may have parameters, so only its kind is told.
        raise IncompleteError(f"Reading {what} ended with {type(error).__name__}. Nothing was done.") from None


def _refusal(code: str, what: str, right: str) -> SourceError:
    if code in _NOT_ACCEPTED:
        return AwsError(f"AWS does not accept the credentials ({code}): they are wrong, or have expired.", "sign-in")
    if code in _DENIED:
        return AwsError(
            f"AWS does not let this account read {what} ({code}). It needs the action identitystore:{right}, in the "
            "management account or a delegated administrator's of IAM Identity Center.",
            "rights",
        )
    if code == _ABSENT:
        return AwsError(
            f"AWS has no such identity store, or no such group ({code}): look at --store and --region.", "store"
        )
    if "Throttl" in code or code == "TooManyRequestsException":
        return IncompleteError(
            f"AWS answered {_TRIES} times that there are too many requests for {what}. Nothing was done."
        )
    return AwsError(f"AWS does not give {what} ({code}). Nothing was done.", "answer")


def _client(region: str | None, profile: str | None) -> Any:
    """A client of the identity store. Raises SourceError."""
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise SourceError("Sources of the kind aws need the package's extra: pip install 'scimlite[aws]'") from None
    retries = {"mode": "adaptive", "total_max_attempts": _TRIES}
    config = Config(retries=retries, connect_timeout=_CONNECT, read_timeout=_READ, user_agent_extra="scimlite")
    try:
        return Session(profile_name=profile, region_name=region).client("identitystore", config=config)
    except BotoCoreError as error:
        # Such as: The config profile (hr) could not be found.
        raise SourceError(f"boto3 cannot begin: {str(error).rstrip('.')}.") from None


KIND = Kind(
    "aws",
    "the Identity Store of AWS IAM Identity Center",
    (
        Option("store", "The id of the identity store, such as d-1234567890.", required=True, metavar="ID"),
        Option("region", "The region of IAM Identity Center.", required=True, metavar="REGION"),
        Option(
            "profile", "A profile of the AWS configuration; else the ordinary chain of credentials.", metavar="NAME"
        ),
        Option("groups", "Whether groups are read.", default="yes", choices=("yes", "no")),
    ),
    AwsReader,
    {
        USER: {
            "userName": "UserName",
            "externalId": "@key",
            "active": "@active",
            "name.formatted": "Name.Formatted",
            "name.givenName": "Name.GivenName",
            "name.familyName": "Name.FamilyName",
            "name.middleName": "Name.MiddleName",
            "displayName": "DisplayName",
            "nickName": "NickName",
            "emails.work": "Emails",
            "emails.work.primary": '"true"',
            "emails.other": "Emails[1:]",
            "phoneNumbers.work": "PhoneNumbers.work",
            "phoneNumbers.mobile": "PhoneNumbers.mobile",
            "addresses.work.formatted": "Addresses.Formatted",
            "addresses.work.streetAddress": "Addresses.StreetAddress",
            "addresses.work.locality": "Addresses.Locality",
            "addresses.work.region": "Addresses.Region",
            "addresses.work.postalCode": "Addresses.PostalCode",
            "addresses.work.country": "Addresses.Country",
            "title": "Title",
            "userType": "UserType",
            "preferredLanguage": "PreferredLanguage",
            "locale": "Locale",
            "timezone": "Timezone",
        },
        GROUP: {"displayName": "DisplayName", "externalId": "@key"},
    },
)
