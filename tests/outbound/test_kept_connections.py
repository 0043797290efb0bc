"""Connections that are used again, and those that are not."""

import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from scimlite import outbound
from scimlite.outbound import target
from scimlite.outbound.connection import Connection
from scimlite.outbound.pool import Pool
from scripted_host import CLOSE, RESET, hosting, ok


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_one_that_was_closed_meanwhile_is_not_used(client, end):
    with hosting([ok(), end], [ok()]) as host:
        assert client.send("POST", host.url()).status == 200
        time.sleep(0.05)
        assert client.send("POST", host.url()).status == 200
    assert [seen.connection for seen in host.seen] == [0, 1]


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_one_that_is_closed_instead_of_an_answer_is_asked_again(client, end):
    with hosting([ok()], [end], [ok(b"again")]) as host:
        client.send("POST", host.url())
        assert client.send("POST", host.url(), body=b"{}", again=True).body == b"again"
    assert [seen.connection for seen in host.seen] == [0, 0, 1]


def test_it_is_not_asked_again_unless_the_caller_says_so(client):
    with hosting([ok()], [CLOSE], [ok()]) as host:
        client.send("POST", host.url())
        with pytest.raises(outbound.Failed, match="closed the connection before it answered"):
            client.send("POST", host.url())


@pytest.mark.parametrize("script", [[b"H", CLOSE], [b"H", RESET]])
def test_it_is_not_asked_again_when_an_answer_had_begun(client, script):
    with hosting([ok()], script, [ok()]) as host:
        client.send("POST", host.url())
        with pytest.raises(outbound.Failed):
            client.send("POST", host.url(), again=True)
    assert len(host.seen) == 2


def test_it_is_asked_again_only_once(client):
    with hosting([ok()], [CLOSE]) as host:
        client.send("POST", host.url())
        with pytest.raises(outbound.Failed):
            client.send("POST", host.url(), again=True)
    assert len(host.seen) == 3


def test_bytes_behind_an_answer_are_no_answer_to_the_next_request(client):
    forged = ok(b"forged")
    with hosting([ok() + forged], [ok(b"true")]) as host:
        client.send("POST", host.url())
        assert client.send("POST", host.url()).body == b"true"


def test_threads_share_them(client):
    with hosting([0.01, ok()]) as host, ThreadPoolExecutor(8) as pool:
        for answer in [pool.submit(client.send, "POST", host.url(), body=b"{}") for _ in range(160)]:
            assert answer.result().status == 200
        assert len(host.seen) == 160
        assert host.connections <= 8


@pytest.mark.parametrize("limit", ["idle", "longest"])
def test_they_end_after_their_time(limit):
    with hosting([ok()]) as host:
        place = target.parse(host.url())
        pool = Pool(**{limit: 0.1})
        connection = Connection(place, socket.create_connection(("127.0.0.1", host.port)))
        pool.keep(place.place, connection)
        taken = pool.take(place.place)
        assert taken is connection
        if limit == "idle":
            pool.keep(place.place, connection)
            time.sleep(0.15)
        else:
            time.sleep(0.15)
            pool.keep(place.place, connection)
        assert pool.take(place.place) is None
        assert not connection.usable()  # it is closed


def test_a_forked_process_opens_its_own():
    script = """if True:
        import os, sys
        from ipaddress import ip_network
        from scimlite import outbound
        client = outbound.Client([ip_network("127.0.0.0/8")])
        client.send("POST", sys.argv[1])
        child = os.fork()
        client.send("POST", sys.argv[1])
        if child:
            os._exit(os.waitpid(child, 0)[1])
        os._exit(0)
    """
    with hosting([ok()]) as host:
        subprocess.run([sys.executable, "-c", script, host.url()], check=True, timeout=30)
        assert sorted(seen.connection for seen in host.seen) == [0, 0, 1]


def test_a_closed_client_keeps_none(client):
    with hosting([ok()]) as host:
        client.send("POST", host.url())
        client.close()
        client.send("POST", host.url())
        client.send("POST", host.url())
        assert host.connections == 3
