"""The outbound guard: which addresses a call may reach when it was not the operator who said where to call."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

from lib.errors import ModeldeckError

Resolve = Callable[[str, int], Sequence[str]]
"""From a host and port to the addresses behind it; raises OSError when there are none."""

_MACHINE, _INSIDE, _METADATA = "this machine itself", "inside this network", "a cloud's own service for its machines"
_TUNNEL, _NOWHERE = "a way into other networks", "not a server's address"


class _Range(NamedTuple):
    """Addresses and what they are; ``own`` ones may be reached where an admin says so."""

    network: str
    what: str
    own: bool = False


_RANGES = (
    _Range("169.254.0.0/16", _METADATA),  # link-local, where nearly every cloud has it
    _Range("168.63.129.16/32", _METADATA),
    _Range("100.100.100.200/32", _METADATA),
    _Range("192.0.0.0/24", _METADATA),
    _Range("fd00:ec2::/32", _METADATA),
    _Range("fd20:ce::/32", _METADATA),
    _Range("0.0.0.0/32", _MACHINE, own=True),
    _Range("127.0.0.0/8", _MACHINE, own=True),
    _Range("::/127", _MACHINE, own=True),
    _Range("10.0.0.0/8", _INSIDE, own=True),
    _Range("100.64.0.0/10", _INSIDE, own=True),
    _Range("172.16.0.0/12", _INSIDE, own=True),
    _Range("192.168.0.0/16", _INSIDE, own=True),
    _Range("fc00::/7", _INSIDE, own=True),
    _Range("fe80::/10", _INSIDE),
    _Range("fec0::/10", _INSIDE),
    _Range("192.88.99.0/24", _TUNNEL),
    _Range("64:ff9b::/96", _TUNNEL),
    _Range("64:ff9b:1::/48", _TUNNEL),
    _Range("2001::/23", _TUNNEL),  # Teredo, ORCHID and other arrangements
    _Range("2002::/16", _TUNNEL),
    _Range("0.0.0.0/8", _NOWHERE),
    _Range("192.0.2.0/24", _NOWHERE),
    _Range("198.18.0.0/15", _NOWHERE),
    _Range("198.51.100.0/24", _NOWHERE),
    _Range("203.0.113.0/24", _NOWHERE),
    _Range("224.0.0.0/3", _NOWHERE),  # multicast, reserved, broadcast
    _Range("2001:db8::/32", _NOWHERE),
    _Range("3fff::/20", _NOWHERE),
)
_PARSED = tuple((ip_network(row.network), row) for row in _RANGES)
_PUBLIC_V6 = ip_network("2000::/3")
_ELSEWHERE = _Range("", _NOWHERE)


class OutboundRefused(ModeldeckError):
    """A call would have gone where nobody but the operator may send one; nothing was sent. The message names the place."""


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host in the system's order; raises OSError when there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class Guard:
    """Where calls may go: to public addresses, and to what the operator allows by host and port.

    ``own`` adds this machine and its private networks, and nothing else: no cloud's metadata, link-local address,
    tunnel or multicast. An allowed name may lead anywhere; an allowed address may be reached under any name.
    """

    allow: frozenset[tuple[str, int]] = frozenset()
    own: bool = False
    resolve: Resolve = look_up

    def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return where to connect to, each address checked; raise OutboundRefused when any of them may not be reached.

        They are looked up once: connect to these and to nothing that the name leads to later.
        """
        found = self.resolve(host, port)
        name = host.rstrip(".").lower()
        if (name, port) in self.allow:
            return found
        for address in found:
            what = self._refusal(address, port)
            if what is not None:
                raise OutboundRefused(_sentence(name, port, address, what))
        return found

    def _refusal(self, address: str, port: int) -> str | None:
        """Return what an address is that may not be reached; None for one that may."""
        text, zone, _ = address.partition("%")
        ip = unwrapped(ip_address(text))
        if (str(ip), port) in self.allow:
            return None
        row = _row_of(ip)
        if row is None:
            return _INSIDE if zone else None
        return None if self.own and row.own else row.what


def unwrapped(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one only wraps, else the address itself."""
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def _row_of(ip: IPv4Address | IPv6Address) -> _Range | None:
    """Return what an address is; None for one that is the public network's."""
    for network, row in _PARSED:
        if ip.version == network.version and ip in network:
            return row
    return _ELSEWHERE if isinstance(ip, IPv6Address) and ip not in _PUBLIC_V6 else None


def _sentence(name: str, port: int, address: str, what: str) -> str:
    shown, there = name[:200], f"[{name}]" if ":" in name else name[:200]
    leads = f"{shown} is {what}" if name == address else f"{shown} leads to {address}, which is {what}"
    return f"{leads}. Calls do not go there. If this is a place to call, ask the operator to add {there}:{port} to OUTBOUND_ALLOW."
