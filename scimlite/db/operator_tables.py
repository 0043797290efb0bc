"""The tables about operators of the console, like those of `tables`."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CompositeKey, SmallIntegerField, TextField

from .table import Table


class OperatorRow(Table):
    """Somebody who may use the console."""

    id = BigIntegerField(primary_key=True)
    name = TextField()
    #: The name without case, which is unique.
    name_key = TextField()
    #: A `roles.Role`.
    role = TextField()
    #: 1 for all apps; 0 for those of OperatorAppRow.
    every_app = SmallIntegerField()
    #: The argon2id hash of a password of their own.
    password = TextField(null=True)
    #: Who this is at the provider of the single sign-on, once seen there.
    issuer = TextField(null=True)
    subject = TextField(null=True)
    created_at = BigIntegerField()
    disabled_at = BigIntegerField(null=True)
    signed_in_at = BigIntegerField(null=True)

    class Meta:
        table_name = "operator"


class OperatorAppRow(Table):
    """An operator who does not see every app sees this one."""

    operator_id = BigIntegerField()
    app_id = BigIntegerField()

    class Meta:
        table_name = "operator_app"
        primary_key = CompositeKey("operator_id", "app_id")


class SignInLinkRow(Table):
    """A link that signs an operator in, once; it is deleted when it is used."""

    #: SHA-256 of the link's secret.
    digest = TextField(primary_key=True)
    operator_id = BigIntegerField()
    expires_at = BigIntegerField()

    class Meta:
        table_name = "sign_in_link"


class SessionRow(Table):
    """A browser in which an operator is signed in."""

    #: SHA-256 of the cookie's secret.
    digest = TextField(primary_key=True)
    operator_id = BigIntegerField()
    #: How they signed in: a `sessions.Way`.
    way = TextField()
    address = TextField(null=True)
    #: What the browser calls itself.
    agent = TextField(null=True)
    created_at = BigIntegerField()
    #: When the operator last proved who they are.
    proved_at = BigIntegerField()
    seen_at = BigIntegerField()

    class Meta:
        table_name = "session"


class SignInAttemptRow(Table):
    """A sign-in that failed, under the name or the address that it came from."""

    id = BigIntegerField(primary_key=True)
    at = BigIntegerField()
    who = TextField()

    class Meta:
        table_name = "sign_in_attempt"


class InvitationRow(Table):
    """A set-up link: it shows one app's connection values to somebody who is no operator."""

    id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    link_id = TextField()
    #: Fingerprint of the secret key that signed it.
    key_id = TextField()
    #: The operator's name.
    created_by = TextField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    revoked_at = BigIntegerField(null=True)
    opened_at = BigIntegerField(null=True)

    class Meta:
        table_name = "invitation"


OPERATOR_TABLES: tuple[type[Any], ...] = (
    OperatorRow,
    OperatorAppRow,
    SignInLinkRow,
    SessionRow,
    SignInAttemptRow,
    InvitationRow,
)
