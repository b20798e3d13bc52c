"""Addresses of Redis: every form, and every fault, which quotes nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.redis_address import RedisAddress, Topology, redis_address

SINGLE, SENTINEL, CLUSTER = Topology

FORMS = {
    "redis://": RedisAddress(SINGLE, (("localhost", 6379),)),
    "redis://:6380": RedisAddress(SINGLE, (("localhost", 6380),)),
    "redis://[::1]:1/": RedisAddress(SINGLE, (("::1", 1),)),
    "REDIS://cache/3": RedisAddress(SINGLE, (("cache", 6379),), database=3),
    "redis://:p%2Fw%3a@cache?db=2": RedisAddress(SINGLE, (("cache", 6379),), password="p/w:", database=2),
    "redis://me:a:b@c@cache": RedisAddress(SINGLE, (("cache", 6379),), user="me", password="a:b@c"),
    "rediss://cache": RedisAddress(SINGLE, (("cache", 6379),), tls={}),
    "rediss://cache?ssl_ca_certs=/etc/a%20b&ssl_check_hostname=False": RedisAddress(
        SINGLE, (("cache", 6379),), tls={"ssl_ca_certs": "/etc/a b", "ssl_check_hostname": False}
    ),
    "unix:///run/a%20b.sock": RedisAddress(SINGLE, (), socket="/run/a b.sock"),
    "unix://:pw@/run/redis?db=4": RedisAddress(SINGLE, (), socket="/run/redis", password="pw", database=4),
    "redis+sentinel://a,b:1,[::1]/5?master=main": RedisAddress(
        SENTINEL, (("a", 26379), ("b", 1), ("::1", 26379)), database=5, master="main"
    ),
    "rediss+sentinel://u:p@a?sentinel_password=q%26+&master=m": RedisAddress(
        SENTINEL, (("a", 26379),), tls={}, user="u", password="p", master="m", sentinel_password="q&+"
    ),
    "redis+cluster://:p@a:7000,b/": RedisAddress(CLUSTER, (("a", 7000), ("b", 6379)), password="p"),
    "rediss+cluster://a?ssl_cert_reqs=none": RedisAddress(CLUSTER, (("a", 6379),), tls={"ssl_cert_reqs": "none"}),
}

FAULTS = {
    "": "must begin with one of redis://",
    "http://a": "must begin with one of redis://",
    "redis:a": "must begin with one of redis://",
    "redis+sentinels://a": "must begin with one of redis://",
    "redis://a#b": "must be of the form redis://",
    "redis://a b": "has a host or a port that cannot be read",
    "redis://a:b": "has a host or a port that cannot be read",
    "redis://a:0": "has a port that is not one of 1 to 65535",
    "redis://a:65536": "has a port that is not one of 1 to 65535",
    "redis://a:\u0663": "has a host or a port that cannot be read",
    "redis://a,b": "has several hosts",
    "redis://a/b": "must have the number of a database",
    "redis://a/1/2": "must have the number of a database",
    "redis://a/1?db=1": "has a database twice",
    "redis://a?db=1&db=2": "has the parameter `db` twice",
    "redis://a?protocol=2": "has a parameter after `?` that is not known; known are `db`",
    "redis://a?ssl_ca_certs=/etc/ca": "has a parameter after `?` that is not known",
    "rediss://a?ssl_check_hostname=no": "has a wrong parameter: `ssl_check_hostname` must be true or false",
    "rediss://a?ssl_cert_reqs=never": "has a wrong parameter: `ssl_cert_reqs` must be required, optional or none",
    "rediss://a?ssl_keyfile=": "has a wrong parameter: `ssl_keyfile` names no file",
    "unix://": "must be of the form unix:///path",
    "unix://run/redis": "must be of the form unix:///path",
    "redis+sentinel://a": "must say ?master=name",
    "redis+sentinel://a?master=": "must say ?master=name",
    "redis+sentinel://?master=m": "has a host or a port that cannot be read",
    "redis+sentinel://a,,b?master=m": "has a host or a port that cannot be read",
    "redis+sentinel://a?master=m&quorum=2": "has a parameter after `?` that is not known; known are `master`",
    "redis+cluster://": "has a host or a port that cannot be read",
    "redis+cluster://a/0": "must end after the hosts",
    "redis+cluster://a?db=0": "has a parameter after `?` that is not known; known there are none",
}


@pytest.mark.parametrize("url", FORMS)
def test_every_form_is_read(url):
    assert redis_address(url) == FORMS[url]


@pytest.mark.parametrize("url", FAULTS)
def test_every_fault_is_told(url):
    with pytest.raises(ValueError, match=f"^{re.escape(FAULTS[url])}"):
        redis_address(url)


SCHEMES = st.sampled_from(["redis", "rediss", "unix", "redis+sentinel", "redis+cluster"])
PASSWORDS = st.text(st.sampled_from("hunter2/?#@:&=,[]% +"), max_size=12)


@given(SCHEMES, PASSWORDS, st.sampled_from(["", "/", "/1", "?master=m", "/x?db=1"]))
def test_no_fault_and_no_address_that_is_shown_has_a_part_of_the_password(scheme, password, rest):
    """Whatever the password breaks: its own word stands before and behind it."""
    url = f"{scheme}://:SWORDFISH{password}SWORDFISH@cache{rest}"
    try:
        shown = repr(redis_address(url))
    except ValueError as fault:
        shown = f"{fault} {fault.__cause__}"
    # What stands behind a `/` is a path or a host to everybody, and is shown as one by the reader alone.
    assert "SWORDFISH" not in shown or scheme == "unix"
