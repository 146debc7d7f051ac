"""What an address says of itself, before anything is asked: whether it may be tried, and which place it belongs to.

In: an address, or a number that a name stands for. Out: its parts, or BadAddress. The network is not touched.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from labeling.errors import BadAddress

__all__ = ["UNREADABLE", "check_address", "is_plain_address", "is_public", "place_of"]

MAX_ADDRESS = 2_048
UNREADABLE = "This is not a web address that can be read. Open it in a browser and copy it from there."
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_PLAIN = re.compile(r"https?://[A-Za-z0-9.-]{1,253}/[!-\[\]-~]*")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PUBLIC_6 = ipaddress.ip_network("2000::/3")
"""All that is given out to hosts of the public internet; the rest of IPv6 is something else or nothing."""
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            *("::/8", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2002::/16"),
            *("2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
            "168.63.129.16/32",
        ),
    )
)
"""The IANA registries of special-purpose addresses for IPv4 and IPv6, with multicast and what is deprecated, and one
address outside of them where a cloud answers for its machines. Some blocks are reachable by their registry, for name
servers and relays; no image is there.

Source: https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, RFC 6890.
"""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, whatever it is wrapped in.

    >>> is_public("93.184.216.34"), is_public("::ffff:127.0.0.1"), is_public("169.254.169.254")
    (True, False, False)
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if wrapped is not None:
            return is_public(str(wrapped))
        if ip not in _PUBLIC_6:
            return False
    if any(ip in network for network in _NEVER):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback)


def check_address(url: str) -> SplitResult:
    """The parts of an http or https address that may be tried; BadAddress, without touching the network, if not."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadAddress(UNREADABLE) from error
    if len(url) > MAX_ADDRESS or _ODD.search(url) or parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadAddress("Only http and https addresses of up to 2,048 plain characters are fetched.")
    if "@" in parts.netloc or port == 0:
        raise BadAddress("Addresses with a user name or password in them are not fetched. Fetch the image by hand.")
    return parts


def is_plain_address(url: str) -> bool:
    """A quick test: True means that `check_address` accepts the address; False means that it must be asked.

    >>> is_plain_address("https://example.org/a.jpg")
    True
    """
    return len(url) <= MAX_ADDRESS and _PLAIN.fullmatch(url) is not None


def place_of(address: str) -> str:
    """The bucket or host of an address with what stands before it; empty for a path of this machine or an upload.

    >>> place_of("s3://photos/cats/1.jpg"), place_of("/data/1.jpg")
    ('s3://photos/', '')
    """
    protocol, separator, rest = address.partition("://")
    return f"{protocol}://{rest.split('/', 1)[0]}/" if separator else ""
