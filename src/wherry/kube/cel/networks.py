"""Addresses and networks in expressions: `cidr('10.0.0.0/8').containsIP('10.1.2.3')`.

Rows of `Overload`.  Source: "Common Expression Language in Kubernetes", IP and CIDR libraries.  Invariant: an address
has no zone, and is never an IPv4 address written as an IPv6 one.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Any, NamedTuple

from wherry.cel.errors import NoValue
from wherry.cel.functions import Overload, overload
from wherry.cel.values import register, shown


class IP(NamedTuple):
    """An address."""

    address: IPv4Address | IPv6Address


class CIDR(NamedTuple):
    """An address and the length of its network's prefix."""

    address: IPv4Address | IPv6Address
    length: int


register(IP, "net.IP")
register(CIDR, "net.CIDR")


def _ip(text: str) -> IP:
    try:
        address = ip_address(text)
    except ValueError:
        raise NoValue(f"IP Address {shown(text)} parse error during conversion from string") from None
    return IP(_checked(address, text))


def _checked(address: Any, text: str) -> Any:
    if "%" in text:
        raise NoValue(f"IP address {shown(text)} with zone value is not allowed")
    if getattr(address, "ipv4_mapped", None) is not None:
        raise NoValue(f"IPv4-mapped IPv6 address {shown(text)} is not allowed")
    return address


def _cidr(text: str) -> CIDR:
    length = text.rpartition("/")[2]
    try:
        if "/" not in text or not length.isascii() or not length.isdigit() or (length != "0" and length[0] == "0"):
            raise ValueError
        found = ip_interface(text)
    except ValueError:
        raise NoValue(f"network address parse error during conversion from string: {shown(text)}") from None
    return CIDR(_checked(found.ip, text), found.network.prefixlen)


def _is_ip(text: str) -> bool:
    try:
        _ip(text)
    except NoValue:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        _cidr(text)
    except NoValue:
        return False
    return True


def _global_unicast(value: IP) -> bool:
    address = value.address
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and str(address) != "255.255.255.255"


def _link_local_multicast(value: IP) -> bool:
    text = "224.0.0.0/24" if value.address.version == 4 else "ff02::/16"
    return value.address in ip_network(text)


def _contains_ip(value: CIDR, other: Any) -> bool:
    return (other if isinstance(other, IP) else _ip(other)).address in ip_network(_network(value))


def _contains_cidr(value: CIDR, other: Any) -> bool:
    inner = other if isinstance(other, CIDR) else _cidr(other)
    return inner.length >= value.length and _contains_ip(value, IP(inner.address))


def _network(value: CIDR) -> str:
    return str(ip_interface(f"{value.address}/{value.length}").network)


def _masked(value: CIDR) -> CIDR:
    return CIDR(ip_network(_network(value)).network_address, value.length)


NETWORKS: list[Overload] = [
    overload("ip(string): net.IP", _ip),
    overload("isIP(string): bool", _is_ip),
    overload("ip.isCanonical(string): bool", lambda text: str(_ip(text).address) == text),
    overload(".family(net.IP): int", lambda value: value.address.version),
    overload(".isUnspecified(net.IP): bool", lambda value: value.address.is_unspecified),
    overload(".isLoopback(net.IP): bool", lambda value: value.address.is_loopback),
    overload(".isLinkLocalMulticast(net.IP): bool", _link_local_multicast),
    overload(".isLinkLocalUnicast(net.IP): bool", lambda value: value.address.is_link_local),
    overload(".isGlobalUnicast(net.IP): bool", _global_unicast),
    overload("string(net.IP): string", lambda value: str(value.address)),
    overload("cidr(string): net.CIDR", _cidr),
    overload("isCIDR(string): bool", _is_cidr),
    overload(".containsIP(net.CIDR, net.IP): bool", _contains_ip),
    overload(".containsIP(net.CIDR, string): bool", _contains_ip),
    overload(".containsCIDR(net.CIDR, net.CIDR): bool", _contains_cidr),
    overload(".containsCIDR(net.CIDR, string): bool", _contains_cidr),
    overload(".ip(net.CIDR): net.IP", lambda value: IP(value.address)),
    overload(".masked(net.CIDR): net.CIDR", _masked),
    overload(".prefixLength(net.CIDR): int", lambda value: value.length),
    overload("string(net.CIDR): string", lambda value: f"{value.address}/{value.length}"),
]
