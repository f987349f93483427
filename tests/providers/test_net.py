"""One client per process: more would lose connections, and a proxy or a redirect would carry keys to strangers."""

from __future__ import annotations

import threading

import httpx
import pytest

from lib import net


def test_every_thread_gets_the_same_client() -> None:
    found: list[httpx.Client] = []
    threads = [threading.Thread(target=lambda: found.append(net.shared_client())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(client) for client in found}) == 1
    net.close_shared_client()
    assert found[0].is_closed


def test_a_closed_client_is_made_again() -> None:
    first = net.shared_client()
    net.close_shared_client()
    net.close_shared_client()

    assert net.shared_client() is not first
    net.close_shared_client()


def test_the_environment_and_redirects_have_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with net.new_client() as client:
        assert (client.trust_env, client.follow_redirects) == (False, False)
        assert client.timeout == httpx.Timeout(connect=10, read=120, write=30, pool=10)
