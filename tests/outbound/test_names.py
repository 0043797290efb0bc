"""Names are resolved once, by all who ask, and judged by their addresses."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from scimlite import outbound
from scripted_host import hosting, ok


def test_a_name_that_cannot_be_resolved(open_client):
    def resolve(host):
        raise OSError(-2, "Name or service not known")

    client = open_client(resolve=resolve)
    with pytest.raises(outbound.Failed, match=r"hook\.example\.com cannot be resolved") as caught:
        client.send("POST", "https://hook.example.com/")
    assert caught.value.kind == "name"


def test_a_resolver_that_hangs_is_given_up(open_client):
    go = threading.Event()

    def resolve(host):
        go.wait(10)
        return ["127.0.0.1"]

    client = open_client(timeout=0.2, resolve=resolve)
    with pytest.raises(outbound.Failed, match="was not resolved within") as caught:
        client.send("POST", "https://hook.example.com/")
    assert caught.value.kind == "timeout"
    go.set()


def test_threads_that_ask_for_the_same_name_share_the_answer(open_client):
    asked, go = [], threading.Event()

    def resolve(host):
        asked.append(host)
        go.wait(2)
        return ["127.0.0.1"]

    client = open_client(resolve=resolve)
    with hosting([ok()]) as host, ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(client.send, "POST", host.url(host="hook.example")) for _ in range(4)]
        time.sleep(0.1)
        go.set()
        assert [answer.result().status for answer in answers] == [200] * 4
    assert asked == ["hook.example"]


def test_a_name_that_changes_after_the_judgement_changes_nothing(open_client):
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    client = open_client(resolve=lambda host: next(answers))
    with hosting([ok()]) as host:
        for _ in range(2):  # asked once, connected once
            assert client.send("POST", host.url(host="rebinding.example")).status == 200
        assert f"Host: rebinding.example:{host.port}" in host.seen[1].head
        assert host.connections == 1
    # The connection is gone, so the name is resolved, and judged, again.
    with pytest.raises(outbound.Refused, match=r"at 169\.254\.169\.254, a link-local"):
        client.send("POST", host.url(host="rebinding.example"))


def test_the_next_address_is_tried(open_client):
    with hosting([ok()]) as host:
        loopback = ["127.0.0.2", "127.0.0.1"]
        client = open_client(resolve=lambda host: loopback)
        assert client.send("POST", host.url(host="two.example")).status == 200
