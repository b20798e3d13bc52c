from __future__ import annotations

import os
import secrets
import string

from gateway.app.request_ids import RequestIds


def test_each_id_is_new_and_has_128_bits():
    new_id = RequestIds(secrets.token_bytes)
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {len(each) for each in ids} == {32}
    assert set("".join(ids)) <= set(string.hexdigits.lower())


def test_all_of_an_id_is_of_the_randomness_and_none_of_it_is_used_twice():
    given = []

    def randomness(count):
        given.append(secrets.token_bytes(count))
        return given[-1]

    new_id = RequestIds(randomness)
    ids = [new_id() for _ in range(128)]
    whole = b"".join(given).hex()
    assert sorted(ids) == sorted(whole[start : start + 32] for start in range(0, len(whole), 32))


def test_a_forked_child_has_ids_of_its_own():
    new_id = RequestIds(secrets.token_bytes)
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, " ".join(new_id() for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 100_000).decode().split()
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 100
    assert not set(theirs) & {new_id() for _ in range(100)}
