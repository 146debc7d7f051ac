"""Where a request comes from: the address of its connection, or the one that a trusted proxy says.

In: an ASGI scope, and the proxies that the administrator trusts. Out: an address as text. Of `X-Forwarded-For` only
what trusted proxies have added counts: from the right, the first that is none of them. Nobody else can name an address.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from labeling.errors import Invalid

Network = IPv4Network | IPv6Network
_OF_ONE_HOLDER = 64
"""Bits of an IPv6 address that a network gives to one customer, who has all of the addresses behind them."""


def proxies_of(setting: str) -> tuple[Network, ...]:
    """The addresses and networks of `HARDCASE_TRUSTED_PROXIES`; Invalid names one that is none."""
    try:
        return tuple(ip_network(one.strip(), strict=False) for one in setting.split(",") if one.strip())
    except ValueError as error:
        raise Invalid(
            f"HARDCASE_TRUSTED_PROXIES: {error}. Write addresses or networks, separated by commas: 10.0.0.5,10.1.0.0/16"
        ) from error


def address_of(scope: Scope, proxies: Sequence[Network]) -> str:
    """The address of who sent this request; empty where there is none, as on a socket of this machine."""
    client = scope.get("client")
    address = str(client[0]) if client else ""
    if not _is_one_of(address, proxies):
        return address
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    for hop in reversed([one.strip() for one in forwarded.split(",")]):
        if _parsed(hop) is None:
            return address
        address = hop
        if not _is_one_of(hop, proxies):
            break
    return address


def holder_of(address: str) -> str:
    """What tries are counted by: the address, or of an IPv6 address the network that is one customer's."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _OF_ONE_HOLDER), strict=False))
    return address if parsed is None else str(parsed)


def _is_one_of(address: str, networks: Sequence[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
