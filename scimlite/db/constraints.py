"""What the migrations make beside columns: indexes, foreign keys, defaults and collations, as `drift` looks for them.

A test compares them with what the migrations make.
"""

from __future__ import annotations

#: On both databases, each as the statement that creates it.
INDEXES: tuple[str, ...] = (
    "CREATE UNIQUE INDEX app_slug ON app (slug) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX token_token_id ON token (token_id)",
    "CREATE INDEX token_app ON token (app_id)",
    "CREATE UNIQUE INDEX resource_uuid ON resource (app_id, uuid)",
    "CREATE UNIQUE INDEX resource_app ON resource (app_id, id)",
    "CREATE INDEX resource_modified ON resource (app_id, type, modified_at)",
    "CREATE INDEX resource_deleted ON resource (app_id, type, deleted_at) WHERE deleted_at IS NOT NULL",
    "CREATE INDEX resource_disabled ON resource (app_id, type, id) WHERE deleted_at IS NULL AND active = 0",
    "CREATE INDEX value_key ON value (app_id, type, path, substr(key, 1, 200)) WHERE sought = 1",
    "CREATE UNIQUE INDEX value_unique_key ON value (app_id, type, path, unique_key) WHERE unique_key IS NOT NULL",
    "CREATE INDEX member_member ON member (member_id, group_id)",
    "CREATE INDEX password_app ON password (app_id)",
    "CREATE INDEX departure_resource ON departure (resource_id)",
    "CREATE INDEX refusal_request ON refusal (request_id)",
    "CREATE INDEX refusal_client ON refusal (client_request_id) WHERE client_request_id IS NOT NULL",
    "CREATE INDEX refusal_at ON refusal (at)",
    "CREATE INDEX refusal_app ON refusal (app_id)",
    "CREATE INDEX refusal_user ON refusal (user_uuid) WHERE user_uuid IS NOT NULL",
    "CREATE INDEX refusal_user_key ON refusal (user_key) WHERE user_key IS NOT NULL",
    "CREATE INDEX journal_at ON journal (at, id)",
    "CREATE INDEX journal_app ON journal (app_id, at, id)",
    "CREATE INDEX journal_user ON journal (user_uuid, at, id, app_id) WHERE user_uuid IS NOT NULL",
    "CREATE INDEX journal_user_key ON journal (user_key, at) WHERE user_key IS NOT NULL",
    "CREATE INDEX journal_group ON journal (group_uuid, at, id, app_id) WHERE group_uuid IS NOT NULL",
    "CREATE INDEX journal_request ON journal (request_id)",
    "CREATE INDEX journal_action ON journal (action, at, id, app_id)",
    "CREATE INDEX journal_refused ON journal (outcome, at, id, app_id, action) WHERE outcome <> 'ok'",
    "CREATE UNIQUE INDEX operator_name_key ON operator (name_key)",
    "CREATE UNIQUE INDEX operator_subject ON operator (issuer, subject) WHERE subject IS NOT NULL",
    "CREATE INDEX sign_in_link_operator ON sign_in_link (operator_id)",
    "CREATE INDEX session_operator ON session (operator_id)",
    "CREATE INDEX sign_in_attempt_who ON sign_in_attempt (who, at)",
    "CREATE INDEX sign_in_attempt_at ON sign_in_attempt (at)",
    "CREATE UNIQUE INDEX invitation_link_id ON invitation (link_id)",
    "CREATE INDEX invitation_app ON invitation (app_id)",
    "CREATE INDEX reading_token ON reading (token_id, id)",
    "CREATE INDEX reading_app ON reading (app_id, at)",
    "CREATE INDEX set_stream_app ON set_stream (app_id)",
    "CREATE UNIQUE INDEX webhook_name ON webhook (app_id, name) WHERE removed_at IS NULL",
    "CREATE INDEX webhook_secret_webhook ON webhook_secret (webhook_id)",
    "CREATE UNIQUE INDEX source_name ON source (app_id, name) WHERE removed_at IS NULL",
    "CREATE UNIQUE INDEX source_link_resource ON source_link (app_id, resource_id) WHERE resource_id IS NOT NULL",
    "CREATE INDEX source_run_source ON source_run (source_id, id)",
    "CREATE INDEX source_run_app ON source_run (app_id, id)",
    "CREATE UNIQUE INDEX target_name ON target (app_id, name) WHERE removed_at IS NULL",
    "CREATE INDEX target_mark ON target (mark)",
    "CREATE INDEX target_link_uuid ON target_link (app_id, uuid)",
    "CREATE INDEX target_member_member ON target_member (app_id, target_id, member_id)",
    "CREATE INDEX target_run_target ON target_run (target_id, id)",
)

#: On one database only, by its kind.
INDEXES_OF: dict[str, tuple[str, ...]] = {
    "sqlite": ("CREATE INDEX resource_living ON resource (app_id, type, deleted_at, id)",),
    "postgresql": (
        "CREATE INDEX resource_living ON resource (app_id, type, id) WHERE deleted_at IS NULL",
        "CREATE INDEX journal_feed ON journal (app_id, tx, id) WHERE outcome = 'ok'",
    ),
}

_OF_APP = "(app_id) REFERENCES app (id)"
_OF_OPERATOR = "(operator_id) REFERENCES operator (id)"
_OF_TOKEN = "(token_id) REFERENCES token (id)"
_OF_WEBHOOK = "(webhook_id) REFERENCES webhook (id)"
_OF_SOURCE = "(source_id) REFERENCES source (id)"
_OF_TARGET = "(target_id) REFERENCES target (id)"
_OF_RESOURCE = "(app_id, resource_id) REFERENCES resource (app_id, id)"

#: Foreign keys by table: the columns, and what they refer to.
FOREIGN_KEYS: dict[str, tuple[str, ...]] = {
    "token": (_OF_APP,),
    "resource": (_OF_APP,),
    "value": (_OF_RESOURCE,),
    "member": (
        "(app_id, group_id) REFERENCES resource (app_id, id)",
        "(app_id, member_id) REFERENCES resource (app_id, id)",
    ),
    "password": (_OF_RESOURCE,),
    "brake": (_OF_APP,),
    "departure": (_OF_RESOURCE,),
    "refusal": (_OF_APP,),
    "journal": (_OF_APP,),
    "alias": (_OF_APP,),
    "tally": (_OF_APP,),
    "operator_app": (_OF_OPERATOR, _OF_APP),
    "sign_in_link": (_OF_OPERATOR,),
    "session": (_OF_OPERATOR,),
    "invitation": (_OF_APP,),
    "reading": (_OF_APP, _OF_TOKEN),
    "set_stream": (_OF_APP, _OF_TOKEN),
    "webhook": (_OF_APP,),
    "webhook_secret": (_OF_WEBHOOK,),
    "delivery": (_OF_WEBHOOK,),
    "receipt": (_OF_WEBHOOK,),
    "source": (_OF_APP,),
    "source_link": (_OF_SOURCE, _OF_RESOURCE),
    "source_run": (_OF_APP, _OF_SOURCE),
    "target": (_OF_APP,),
    "target_link": (_OF_APP, _OF_TARGET),
    "target_member": (_OF_APP, _OF_TARGET),
    "target_run": (_OF_APP, _OF_TARGET),
}

#: The defaults of columns, on both databases and on one of them.
DEFAULTS: dict[str, str] = {
    "app.declared": "'{}'",
    "app.mapping": "'{}'",
    "app.mapping_version": "1",
    "app.profile": "'default'",
    "app.sourced": "0",
    "resource.profile_version": "0",
    "token.kind": "'scim'",
    "value.sought": "1",
}
DEFAULTS_OF: dict[str, dict[str, str]] = {
    "sqlite": {"journal.tx": "0"},
    "postgresql": {"journal.tx": "pg_current_xact_id()::TEXT::BIGINT"},
}
#: On PostgreSQL, the columns that number themselves, and those that compare by code points.
IDENTITIES: frozenset[str] = frozenset(
    (
        *("app.id", "token.id", "resource.id", "refusal.id", "journal.id", "operator.id", "sign_in_attempt.id"),
        *("invitation.id", "reading.id", "webhook.id", "webhook_secret.id", "source.id", "source_run.id"),
        *("target.id", "target_run.id"),
    )
)
COLLATED: frozenset[str] = frozenset(
    [
        "resource.type",
        "resource.uuid",
        "value.type",
        "value.path",
        "value.key",
        "value.unique_key",
        "journal.user_key",
        "alias.name",
    ]
)
