"""Which address a call came from, whoever says what about it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http1 import LOOPBACK, counted_as, origin, peer_address

PROXY = ip_address("10.0.0.1")
TRUSTED = tuple(map(ip_network, ("10.0.0.0/8", "127.0.0.0/8", "::1/128", "2001:db8:ffff::/48")))


def said(*values: bytes, name: bytes = b"x-forwarded-for"):
    return ((b"host", b"gateway"), *((name, value) for value in values), (b"accept", b"*/*"))


GOOD = {
    "one": ([b"192.0.2.1"], "192.0.2.1"),
    "the right one of two": ([b"198.51.100.9, 192.0.2.1"], "192.0.2.1"),
    "what a client made up stands to its left": ([b"127.0.0.1, 10.0.0.9, ::1, 192.0.2.1"], "192.0.2.1"),
    "garbage that a client made up is not read": ([b"<script>, , unknown, 192.0.2.1"], "192.0.2.1"),
    "a proxy of ours between": ([b"198.51.100.9, 192.0.2.1, 10.1.2.3"], "192.0.2.1"),
    "several of ours, of both families": ([b"192.0.2.1, 2001:db8:ffff::7,127.0.0.1 ,10.1.2.3"], "192.0.2.1"),
    "as many of ours as are believed": ([b"192.0.2.1" + b", 10.0.0.2" * 7], "192.0.2.1"),
    "two lines are one list": ([b"198.51.100.9", b"192.0.2.1, 10.1.2.3"], "192.0.2.1"),
    "no spaces": ([b"198.51.100.9,192.0.2.1"], "192.0.2.1"),
    "tabs": ([b"198.51.100.9,\t192.0.2.1\t"], "192.0.2.1"),
    "with a port": ([b"192.0.2.1:54321"], "192.0.2.1"),
    "IPv6": ([b"2001:db8::1"], "2001:db8::1"),
    "IPv6 in capitals": ([b"2001:DB8::1"], "2001:db8::1"),
    "IPv6 in brackets": ([b"[2001:db8::1]"], "2001:db8::1"),
    "IPv6 with a port": ([b"[2001:db8::1]:443"], "2001:db8::1"),
    "IPv4 in the clothes of IPv6": ([b"::ffff:192.0.2.1"], "192.0.2.1"),
    "the same in hexadecimal": ([b"::ffff:c000:201"], "192.0.2.1"),
    "a proxy of ours in these clothes": ([b"192.0.2.1, ::ffff:10.1.2.3"], "192.0.2.1"),
}

UNREADABLE = {
    "nothing": [],
    "empty": [b""],
    "only commas": [b", ,"],
    "empty at the right": [b"192.0.2.1,"],
    "our proxies alone": [b"10.1.2.3, 127.0.0.1"],
    "more of ours than are believed": [b"192.0.2.1" + b", 10.0.0.2" * 8],
    "a word": [b"unknown"],
    "a name": [b"client.example.com"],
    "a name of ours to the right": [b"192.0.2.1, proxy.internal"],
    "one number": [b"3221225985"],
    "three numbers": [b"192.0.513"],
    "a number too large": [b"192.0.2.256"],
    "octal": [b"0300.0.02.01"],
    "leading zeros": [b"192.0.2.001"],
    "hexadecimal": [b"0xC0.0.2.1"],
    "five numbers": [b"192.0.2.1.1"],
    "a sign": [b"+192.0.2.1"],
    "a mask": [b"192.0.2.0/24"],
    "a space inside": [b"192.0. 2.1"],
    "two in one": [b"192.0.2.1 192.0.2.2"],
    "a semicolon": [b"192.0.2.1;198.51.100.9"],
    "quotes": [b'"192.0.2.1"'],
    "as in Forwarded": [b"for=192.0.2.1"],
    "a zone": [b"fe80::1%eth0"],
    "a zone in brackets": [b"[fe80::1%25eth0]"],
    "open brackets": [b"[2001:db8::1"],
    "brackets around IPv4": [b"[192.0.2.1]"],
    "a port of six digits": [b"192.0.2.1:123456"],
    "no port after the colon": [b"192.0.2.1:"],
    "two `::`": [b"2001::db8::1"],
    "too many groups": [b"1:2:3:4:5:6:7:8:9"],
    "digits of another script": ["١٩٢.0.2.1".encode()],
    "no ASCII": [b"\xff\xfe"],
    "NUL": [b"192.0.2.1\x00"],
    "a line break": [b"192.0.2.1\n"],
    "long": [b"1" * 16_000],
}


@pytest.mark.parametrize(("values", "address"), GOOD.values(), ids=GOOD.keys())
def test_a_trusted_proxy_is_believed_about_the_first_stranger_from_the_right(values, address):
    assert origin(PROXY, said(*values), TRUSTED) == ip_address(address)


@pytest.mark.parametrize("values", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_no_address(values):
    assert origin(PROXY, said(*values), TRUSTED) is None


@pytest.mark.parametrize("values", [values for values, _ in GOOD.values()], ids=GOOD.keys())
@pytest.mark.parametrize("peer", ["192.0.2.77", "2001:db8::77"])
def test_a_stranger_is_itself_whatever_it_says(peer, values):
    assert origin(ip_address(peer), said(*values), TRUSTED) == ip_address(peer)


def test_without_trusted_proxies_the_loopback_is_an_address_like_any_other():
    assert origin(ip_address("127.0.0.5"), said(b"192.0.2.1"), ()) == ip_address("127.0.0.5")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1"])
def test_the_loopback_is_trusted_unless_told_otherwise(peer):
    assert origin(ip_address(peer), said(b"192.0.2.1"), LOOPBACK) == ip_address("192.0.2.1")


def test_a_peer_without_an_address_has_none():
    assert origin(None, said(b"192.0.2.1"), TRUSTED) is None


def test_names_of_headers_know_no_case_and_other_headers_are_not_read():
    assert origin(PROXY, said(b"192.0.2.1", name=b"X-Forwarded-For"), TRUSTED) == ip_address("192.0.2.1")
    for name in (b"forwarded", b"x-real-ip", b"x-forwarded-for-original", b"x-forwarded"):
        assert origin(PROXY, said(b"192.0.2.1", name=name), TRUSTED) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_read_as_an_address_that_was_there_or_as_none(value):
    found = origin(PROXY, said(value), TRUSTED)
    assert found is None or not any(found in network for network in TRUSTED)


@given(st.ip_addresses().filter(lambda address: not any(address in network for network in TRUSTED)), st.binary())
def test_what_stands_to_the_left_of_a_stranger_changes_nothing(address, left):
    written = str(address).encode()
    expected = getattr(address, "ipv4_mapped", None) or address
    if not any(expected in network for network in TRUSTED):
        assert origin(PROXY, said(left + b"," + written), TRUSTED) == expected


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", IPv4Address("192.0.2.1")),
        ("2001:db8::1", IPv6Address("2001:db8::1")),
        ("::ffff:192.0.2.1", IPv4Address("192.0.2.1")),
        ("fe80::1%eth0", IPv6Address("fe80::1")),
        ("fe80::1%3", IPv6Address("fe80::1")),
        ("", None),
        ("/run/gateway.sock", None),
    ],
)
def test_the_address_of_a_peer(text, address):
    assert peer_address(text) == address


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::1", "::2", True),
    ],
)
def test_an_ipv6_client_counts_by_its_64(one, other, together):
    assert (counted_as(ip_address(one)) == counted_as(ip_address(other))) is together
    assert counted_as(ip_address("2001:db8:0:1::9")) == "2001:db8:0:1::/64"
