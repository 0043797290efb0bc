"""Clients that reach loopback, and the authority that they trust."""

import contextlib
from ipaddress import ip_network

import pytest

from scimlite import outbound
from scripted_host import Authority

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def trust(authority):
    return authority.client()


@pytest.fixture
def open_client(trust):
    """Opens a client that reaches loopback by every name, unless the options say otherwise."""
    with contextlib.ExitStack() as stack:

        def opened(**options):
            usual = {"timeout": 2, "ssl_context": trust, "resolve": lambda host: ["127.0.0.1"]}
            return stack.enter_context(outbound.Client(LOOPBACK, **usual | options))

        yield opened


@pytest.fixture
def client(open_client):
    return open_client()
