"""Settings: SQLite as durable as scimlite has it, and nothing that a request for SCIM has no use for."""

from __future__ import annotations

import os

SECRET_KEY = "a key for measurements and never for a service"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "django_peer.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_scim", "django_peer"]
MIDDLEWARE = ["django_peer.middleware.bearer"]
AUTH_USER_MODEL = "django_peer.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["SCIM_DATABASE"],
        # A connection for each thread that stays open.
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 20,
            # A transaction that reads before it writes would fail at once where another one writes.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;",
        },
    }
}

SCIM_SERVICE_PROVIDER = {
    "NETLOC": f"127.0.0.1:{os.environ['SCIM_PORT']}",
    "SCHEME": "http",
    "GROUP_MODEL": "django_peer.models.Group",
    "AUTHENTICATION_SCHEMES": [{"type": "oauthbearertoken", "name": "Bearer token", "description": "One fixed token"}],
}
