"""An address that somebody typed must not lead into the operator's network, whatever it is spelled like or turns into later."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
from sqlalchemy.engine import Engine

from lib.chat import Message, Request
from lib.errors import Cancelled, ProviderError
from lib.net import Guard, OutboundRefused, Stopper, close_shared_client, new_client, shared_client
from lib.net.client import Wire
from lib.net.line import Lines
from lib.providers import open_adapter
from tests.providers.hostile import HostileServer, Peer, certificate, head, say
from tests.replay import ReplayServer, Reply
from tests.routing.live import Live

ASK = Request("m", (Message("user", "hi"),))
OK = b'{"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}'
PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.0.1", "100.128.0.1"]
OWN = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"),
    *("10.0.0.5", "172.16.0.1", "172.31.255.255", "192.168.1.20", "100.64.0.1", "fc00::1", "fd12::1", "::ffff:10.0.0.5"),
]
NEVER = [
    *("169.254.169.254", "::ffff:169.254.169.254", "169.254.0.1", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"),
    *("fd20:ce::254", "fe80::1", "fe80::1%eth0", "fec0::1", "2606:4700:4700::1111%eth0"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:5", "2002:7f00:1::", "2001:0:4136:e378::1", "192.88.99.1", "2001:10::1"),
    *("0.1.2.3", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
    *("255.255.255.255", "ff02::1", "2001:db8::1", "3fff::1", "100::1", "::7f00:1", "::10.0.0.5", "5f00::1"),
]


def leading_to(*addresses: str) -> Any:
    return lambda host, port: addresses


def refusal(guard: Guard, host: str = "api.example.internal", port: int = 443) -> str | None:
    try:
        guard.addresses(host, port)
    except OutboundRefused as error:
        return str(error)
    return None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached_by_anybody(address: str) -> None:
    assert refusal(Guard(resolve=leading_to(address))) is None


@pytest.mark.parametrize("address", OWN)
def test_what_is_inside_the_network_is_for_admins_alone(address: str) -> None:
    assert refusal(Guard(resolve=leading_to(address))) is not None
    assert refusal(Guard(own=True, resolve=leading_to(address))) is None


@pytest.mark.parametrize("address", NEVER)
def test_what_no_model_runs_on_is_for_nobody(address: str) -> None:
    for own in (False, True):
        assert refusal(Guard(own=own, resolve=leading_to(address))) is not None


def test_one_bad_address_among_good_ones_is_enough() -> None:
    assert refusal(Guard(resolve=leading_to("8.8.8.8", "10.0.0.5"))) is not None
    assert refusal(Guard(resolve=leading_to("8.8.8.8", "8.8.4.4"))) is None


def test_the_refusal_says_where_it_leads_and_who_may_open_it() -> None:
    assert refusal(Guard(resolve=leading_to("10.0.0.5"))) == (
        "api.example.internal leads to 10.0.0.5, which is inside this network. Calls do not go there. "
        "If this is a place to call, ask the operator to add api.example.internal:443 to OUTBOUND_ALLOW."
    )
    assert (refusal(Guard(), "127.0.0.1", 80) or "").startswith("127.0.0.1 is this machine itself.")
    assert "add [::1]:80 to" in (refusal(Guard(), "::1", 80) or "")


@pytest.mark.parametrize(
    ("allowed", "host", "port", "may"),
    [
        (("ollama.lan", 11434), "ollama.lan", 11434, True),
        (("ollama.lan", 11434), "OLLAMA.lan.", 11434, True),
        (("10.0.0.5", 11434), "ollama.lan", 11434, True),
        (("ollama.lan", 11434), "ollama.lan", 22, False),
        (("ollama.lan", 11434), "other.lan", 11434, False),
        (("lan", 11434), "ollama.lan", 11434, False),
    ],
)
def test_the_operators_list_opens_just_what_it_names(allowed: tuple[str, int], host: str, port: int, may: bool) -> None:
    said = refusal(Guard(frozenset({allowed}), resolve=leading_to("10.0.0.5")), host, port)

    assert (said is None) == may


SPELLINGS = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "0", "localhost", "LOCALHOST", "localhost."),
    *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[fe80::1%25lo]", "[fe80::1%lo]"),
    *("①②⑦.⓪.⓪.①", "１２７.0.0.1", "127。0。0。1", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ"),  # noqa: RUF001 - the confusion is the point
    *("me:secret@127.0.0.1", "me@localhost", "api.openai.com@127.0.0.1"),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_this_machine_reaches_it(spelling: str) -> None:
    """With the system's own lookup, on a server that really listens: not one connection is made to it."""
    with ReplayServer() as server:
        url = server.base_url.replace("127.0.0.1", spelling)
        for act in (lambda a: a.complete(ASK, "chat/completions"), lambda a: list(a.stream(ASK, "chat/completions")), lambda a: a.models()):
            with pytest.raises(ProviderError) as caught:
                act(open_adapter("openai", base_url=url, api_key="sk-k", guard=Guard()))
            assert "secret" not in str(caught.value)
        assert (server.connections, server.requests) == (0, [])
    close_shared_client()


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:70/", "unix:///run/docker.sock", "//127.0.0.1"]
)
def test_only_web_addresses_are_addresses(url: str) -> None:
    with pytest.raises(ProviderError, match="not a web address"):
        open_adapter("openai", base_url=url, api_key="sk-k", guard=Guard())


class Noted(Lines):
    """Writes down where a connection goes, and leads it to a server of the test: the public network cannot be had here."""

    def __init__(self, guard: Guard, port: int) -> None:
        super().__init__(guard.addresses)
        self.went: list[str] = []
        self._port = port

    def connect_address(
        self, address: str, port: int, timeout: float | None, local_address: str | None, socket_options: Iterable[Any] | None
    ) -> httpcore.NetworkStream:
        self.went.append(address)
        return super().connect_address("127.0.0.1", self._port, timeout, local_address, socket_options)


class Flipping:
    """A name server of an attacker: public when it is asked first, this machine from then on."""

    def __init__(self) -> None:
        self.answers: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.answers.append("127.0.0.1" if self.answers else "93.184.216.34")
        return self.answers[-1:]


def test_a_name_that_turns_to_this_machine_after_it_was_checked_does_not_lead_there() -> None:
    flipping = Flipping()
    guard = Guard(resolve=flipping)
    with ReplayServer() as public, ReplayServer() as sink:
        port = int(public.base_url.split(":")[2].partition("/")[0])
        lines = Noted(guard, port)
        url = sink.base_url.replace("127.0.0.1", "rebinding.test")
        with new_client(Wire(ssl.create_default_context(), guard, lines)) as client:
            adapter = open_adapter("openai", base_url=url, api_key="sk-k", client=client)
            adapter.complete(ASK, "chat/completions")
            assert (lines.went, flipping.answers) == (["93.184.216.34"], ["93.184.216.34"]), "looked up once, and that address connected to"
            adapter.complete(ASK, "chat/completions")
            assert len(flipping.answers) == 1, "a kept connection leads where it led"
        with new_client(guard=guard) as again, pytest.raises(ProviderError, match=r"leads to 127\.0\.0\.1"):
            open_adapter("openai", base_url=url, api_key="sk-k", client=again).complete(ASK, "chat/completions")
        assert sink.connections == 0


def test_a_connection_made_without_the_guard_serves_no_call_under_it() -> None:
    with ReplayServer() as server:
        open_adapter("openai", base_url=server.base_url, api_key="sk-k").complete(ASK, "chat/completions")
        with pytest.raises(ProviderError, match="this machine itself"):
            open_adapter("openai", base_url=server.base_url, api_key="sk-k", guard=Guard()).complete(ASK, "chat/completions")
        assert (len(server.requests), server.connections) == (1, 1)
        assert shared_client() is not shared_client(Guard())
        assert shared_client(Guard()) is shared_client(Guard()), "calls under one guard share their connections"
    close_shared_client()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["another host", "a cloud's metadata"])
def test_a_redirect_takes_no_key_anywhere(status: int, target: str) -> None:
    with ReplayServer() as sink:
        there = sink.base_url.replace("127.0.0.1", "localhost") if target == "another host" else "http://169.254.169.254/latest/meta-data"
        with ReplayServer(Reply(b"", status=status, headers={"location": there})) as server:
            guard = Guard(frozenset({("127.0.0.1", int(server.base_url.split(":")[2].partition("/")[0]))}))
            for kind in ("anthropic", "openai"):
                adapter = open_adapter(kind, base_url=server.base_url, api_key="sk-ant-secret", guard=guard)
                began = time.monotonic()
                acts: tuple[Callable[[], object], ...] = (partial(adapter.complete, ASK, next(iter(adapter.endpoints))), adapter.models)
                for act in acts:
                    with pytest.raises(ProviderError) as caught:
                        act()
                    assert (caught.value.kind, caught.value.retryable, caught.value.status) == ("network", False, status)
                assert time.monotonic() - began < 5, "nobody waits for the metadata address"
            assert server.requests[0].headers["x-api-key"] == "sk-ant-secret"
        assert (sink.connections, sink.requests) == (0, [])
    close_shared_client()


def test_host_and_certificate_stay_those_of_the_name(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path, "models.example.test")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(crt, key)
    named: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: named.append(name)
    trusting = ssl.create_default_context(cafile=str(crt))
    with HostileServer(say(head("application/json"), OK), serving) as server:
        guard = Guard(frozenset({("models.example.test", server.port)}), resolve=leading_to("127.0.0.1"))
        with new_client(Wire(trusting, guard)) as client:
            url = server.base_url.replace("127.0.0.1", "models.example.test")
            open_adapter("openai", base_url=url, client=client).complete(ASK, "chat/completions")
        assert named == ["models.example.test"]
        assert f"Host: models.example.test:{server.port}" in server.seen[0]


def test_an_address_that_takes_no_connection_gives_way_to_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with HostileServer(say(head("application/json"), OK)) as server:
        guard = Guard(own=True, resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"])
        with new_client(guard=guard) as client:
            url = server.base_url.replace("127.0.0.1", "two.test")
            assert open_adapter("openai", base_url=url, client=client).complete(ASK, "chat/completions").text == "ok"
            with pytest.raises(ProviderError, match="nothing listens at its address"):
                open_adapter("openai", base_url=f"http://two.test:{port}/v1", client=client).complete(ASK, "chat/completions")


def test_a_refused_address_is_asked_once_and_never_held_against_the_model(sqlite_engine: Engine) -> None:
    """Tried again it would be refused again; blacklisted it would stay so after the operator has opened it."""
    with ReplayServer() as server, new_client(guard=Guard()) as client:
        live = Live(sqlite_engine, client)
        for _ in range(6):
            with pytest.raises(ProviderError, match="OUTBOUND_ALLOW") as caught:
                live.router.complete(live.call(("openai-compatible", server.base_url)))
            assert (caught.value.kind, caught.value.retryable) == ("bad-request", False)
        assert server.connections == 0
    assert [(row["attempt"], row["status"]) for row in live.rows()] == [(1, "error")] * 6
    assert (live.hints(), live.waits) == ([], [])


@pytest.fixture
def full() -> Iterator[int]:
    """The port of a server that neither takes nor refuses connections any more."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        yield port
        for one in waiting:
            one.close()


def stopped_while(client: httpx.Client, url: str, begun: threading.Event | None) -> float:
    """Stop a call that cannot get on, and return how long that took in seconds."""
    stopper, ended = Stopper(), []

    def call() -> None:
        with stopper.applied():
            try:
                open_adapter("openai", base_url=url, client=client).complete(ASK, "chat/completions")
            except BaseException as error:
                ended.append(type(error))

    thread = threading.Thread(target=call)
    thread.start()
    if begun is not None:
        assert begun.wait(10)
    began = time.monotonic()
    stopper.stop()
    thread.join(10)
    assert ended == [Cancelled], "a stop is nobody's failure"
    return time.monotonic() - began


def test_a_stop_does_not_wait_for_a_slow_name_server() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(host: str, port: int) -> Sequence[str]:
        asked.set()
        assert go_on.wait(30)
        return ["127.0.0.1"]

    with HostileServer(Peer.stall) as server, new_client(guard=Guard(own=True, resolve=slow)) as client:
        took = stopped_while(client, server.base_url.replace("127.0.0.1", "slow.test"), asked)
        go_on.set()
    assert took < 1
    assert server.seen == []


def test_a_stop_does_not_wait_for_a_server_that_takes_no_connection(full: int) -> None:
    on_its_way = threading.Event()

    class Begun(Lines):
        def connect_address(self, *args: Any) -> httpcore.NetworkStream:
            on_its_way.set()
            return super().connect_address(*args)

    with new_client(Wire(ssl.create_default_context(), None, Begun())) as client:
        assert stopped_while(client, f"http://127.0.0.1:{full}/v1", on_its_way) < 1


def test_a_slow_name_server_counts_as_time_to_connect() -> None:
    go_on = threading.Event()

    def slow(host: str, port: int) -> Sequence[str]:
        assert go_on.wait(30)
        return ["127.0.0.1"]

    with new_client(guard=Guard(own=True, resolve=slow)) as client:
        adapter = open_adapter("openai", base_url="http://slow.test/v1", client=client, timeout=0.1)
        began = time.monotonic()
        with pytest.raises(ProviderError) as caught:
            adapter.complete(ASK, "chat/completions")
        assert time.monotonic() - began < 5
        go_on.set()
    assert caught.value.kind == "timeout"
