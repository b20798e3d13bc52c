"""Addresses of an upstream: which is called, which is left out and for how long, and how it comes back."""

from __future__ import annotations

from random import Random

import pytest

from gateway.proxy.addresses import Addresses, AddressOptions, Circuit

OPTIONS = AddressOptions(failures=3, out_seconds=5.0, longest_out_seconds=20.0)


def made(count, options=OPTIONS, told=None):
    addresses = Addresses(
        [f"http://{number}" for number in range(count)],
        options,
        chance=Random(7).random,
        told=told or (lambda *_: None),
    )
    return addresses, addresses.all


def begun(addresses, address):
    """A call to this address, wherever chance would have sent it."""
    addresses.begin(address)
    return address


def fail(addresses, address, now, times=1, **how):
    for _ in range(times):
        addresses.failed(begun(addresses, address), now, now, **how)


def chosen(addresses, now, times=200):
    """Where so many calls go that are answered at once."""
    found = set()
    for _ in range(times):
        address = addresses.choose(now)
        found.add(address.place)
        addresses.left(address, now)
    return found


def test_calls_go_to_all_addresses_and_to_the_one_with_fewer_waiting():
    addresses, (one, two) = made(2)
    assert chosen(addresses, 0) == {0, 1}
    one.pending = 1
    assert chosen(addresses, 0) == {1}
    two.pending = 2
    assert chosen(addresses, 0) == {0}


def test_of_many_two_are_drawn_so_that_the_busiest_gets_none():
    addresses, all_of_them = made(5)
    all_of_them[3].pending = 1
    assert chosen(addresses, 0, 1_000) == {0, 1, 2, 4}


def test_an_address_that_fails_at_once_does_not_draw_the_calls():
    """Nobody waits there, so by waiting calls alone it would look idle; here too many fail to leave all of them out."""
    addresses, (one, two, three, four) = made(4)
    for address in (one, two, three):
        fail(addresses, address, 0, 9)
    four.pending = 8
    assert chosen(addresses, 0) == {3}
    four.pending = 10
    assert chosen(addresses, 0) == {2}


def test_a_single_failure_does_not_keep_the_calls_away():
    """Else an address with few calls beside it would never be heard of again, were it good or bad."""
    addresses, (one, _) = made(2)
    fail(addresses, one, 0)
    assert chosen(addresses, 0) == {0, 1}


def test_failures_in_a_row_leave_an_address_out():
    addresses, (one, _) = made(2)
    fail(addresses, one, 0, 2)
    addresses.answered(begun(addresses, one), 0)
    fail(addresses, one, 1, 2)
    assert one.circuit is Circuit.CLOSED
    fail(addresses, one, 1)
    assert one.circuit is Circuit.OPEN
    assert chosen(addresses, 5.9) == {1}


def test_one_call_at_a_time_tries_an_address_again():
    addresses, (one, two) = made(2)
    fail(addresses, one, 0, 3)
    trial = addresses.choose(5.0)
    assert (trial, one.circuit) == (one, Circuit.HALF_OPEN)
    assert {addresses.choose(5.0) for _ in range(50)} == {two}
    addresses.answered(trial, 5.0)
    assert one.circuit is Circuit.CLOSED
    assert addresses.choose(5.1) is one


def test_the_time_out_doubles_to_a_cap_and_is_short_again_after_good_times():
    addresses, (one, _) = made(2)
    fail(addresses, one, 0, 3)
    now, times = 0.0, []
    for _ in range(5):
        times.append(one.out_until - now)
        now = one.out_until
        assert addresses.choose(now) is one
        addresses.failed(one, now, now)
    assert times == [5, 10, 20, 20, 20]

    now = one.out_until
    addresses.answered(addresses.choose(now), now)
    fail(addresses, one, now + 19, 3)
    assert one.out_until == now + 19 + 20
    now = one.out_until
    addresses.answered(addresses.choose(now), now)
    fail(addresses, one, now + 20, 3)
    assert one.out_until == now + 20 + 5


def test_a_trial_whose_client_left_is_made_by_the_next_call():
    addresses, (one, _) = made(2)
    fail(addresses, one, 0, 3)
    addresses.left(addresses.choose(6), 6)
    assert one.circuit is Circuit.OPEN
    assert addresses.choose(6) is one


def test_what_began_before_tells_nothing_about_the_time_since():
    addresses, (one, _) = made(2)
    late = [begun(addresses, one) for _ in range(4)]
    fail(addresses, one, 1, 3)
    until = one.out_until
    addresses.answered(late.pop(), 0.5)
    addresses.failed(late.pop(), 0.5, 2)
    assert (one.circuit, one.out_until) == (Circuit.OPEN, until)

    assert addresses.choose(7) is one
    addresses.answered(late.pop(), 0.5)
    addresses.left(late.pop(), 0.5)
    assert one.circuit is Circuit.HALF_OPEN


@pytest.mark.parametrize(("count", "out"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_half_of_the_addresses_are_never_left_out(count, out):
    addresses, all_of_them = made(count)
    for address in all_of_them:
        fail(addresses, address, 0, 10)
    assert {address.circuit for address in all_of_them} == {Circuit.OPEN}
    assert len(chosen(addresses, 1, 2_000)) == count - out


def test_an_address_that_was_spared_is_left_out_as_soon_as_another_one_is_back():
    addresses, (one, two) = made(2)
    fail(addresses, one, 0, 3)
    fail(addresses, two, 0, 3)
    assert chosen(addresses, 1) == {1}
    addresses.answered(addresses.choose(5), 5)
    fail(addresses, two, 5)
    assert chosen(addresses, 5.1) == {0}


def test_an_address_that_was_spared_and_recovered_can_be_left_out_later():
    addresses, (one, two) = made(2)
    fail(addresses, one, 0, 3)
    fail(addresses, two, 0, 3)
    addresses.answered(begun(addresses, two), 1)
    addresses.answered(addresses.choose(5), 5)
    assert chosen(addresses, 5) == {0, 1}
    fail(addresses, two, 6, 3)
    assert chosen(addresses, 6) == {0}


def test_an_address_fails_once_however_often_it_does():
    addresses, (one, _) = made(2)
    fail(addresses, one, 0, 9)
    addresses.failed(addresses.choose(5), 5, 5)
    assert addresses.failing() == (one,)
    addresses.answered(addresses.choose(100), 100)
    assert addresses.failing() == ()


def test_a_single_address_is_called_whatever_it_answers_and_its_circuit_is_told():
    told = []
    addresses, (only,) = made(1, told=lambda *heard: told.append(heard))
    for now in range(100):
        assert addresses.choose(now) is only
        addresses.failed(only, now, now)
    assert told == [(0, Circuit.OPEN)]
    addresses.answered(addresses.choose(100), 100)
    assert told == [(0, Circuit.OPEN), (0, Circuit.CLOSED)]


def test_a_second_try_goes_to_another_address_that_works():
    addresses, (one, two, three, four) = made(4)
    assert {addresses.second(one) for _ in range(99)} == {two, three, four}
    fail(addresses, two, 0, 3)
    four.pending = 1
    assert {addresses.second(one) for _ in range(99)} == {three}
    assert two.circuit is Circuit.OPEN


def test_a_second_try_goes_to_the_same_address_if_that_alone_works():
    addresses, (one, two) = made(2)
    fail(addresses, one, 0, 3)
    fail(addresses, two, 0, 2)
    assert addresses.second(two) is two


def test_a_second_try_goes_to_what_comes_back_first_when_all_fail():
    addresses, (one, two, three) = made(3)
    for now, address in enumerate((two, three, one)):
        fail(addresses, address, now, 3)
    assert addresses.second(one) is two
    assert addresses.second(two) is three
    addresses.begin(two)
    addresses.answered(two, 3)
    assert (two.circuit, two.pending) == (Circuit.CLOSED, 0)


def test_there_is_no_second_try_at_the_only_address_when_it_is_known_to_fail():
    addresses, (only,) = made(1)
    assert addresses.second(only) is only
    fail(addresses, only, 0, 3)
    assert addresses.second(only) is None


# --- checks


def test_an_address_that_can_be_connected_to_again_is_tried_at_once():
    addresses, (one, _) = made(2)
    fail(addresses, one, 0, 3, unreachable=True)
    addresses.checked(one, 1, 1.1, up=True)
    assert one.circuit is Circuit.OPEN
    assert addresses.choose(1.2) is one


def test_a_connection_says_nothing_about_an_address_that_answers_503():
    addresses, (one, _) = made(2)
    fail(addresses, one, 0, 3, unreachable=False)
    addresses.checked(one, 1, 1.1, up=True)
    assert chosen(addresses, 4.9) == {1}


def test_no_call_tries_an_address_while_it_cannot_be_connected_to():
    addresses, (one, _) = made(2)
    fail(addresses, one, 0, 3)
    for now in range(2, 100, 2):
        addresses.checked(one, now, now, up=False)
        assert chosen(addresses, now + 2, 20) == {1}
    addresses.checked(one, 100, 100, up=True)
    assert addresses.choose(100) is one


def test_a_single_address_that_nobody_calls_is_known_to_be_back():
    addresses, (only,) = made(1)
    fail(addresses, only, 0, 3, unreachable=True)
    assert addresses.failing() == (only,)
    addresses.checked(only, 1, 1, up=True)
    assert (only.circuit, addresses.failing()) == (Circuit.CLOSED, ())


def test_checks_of_addresses_that_work_count_like_calls_and_forgive_only_themselves():
    addresses, (one, two) = made(2)
    for now in range(3):
        addresses.checked(one, now, now, up=False)
    assert one.circuit is Circuit.OPEN
    fail(addresses, two, 0, 2)
    addresses.checked(two, 1, 1, up=True)
    assert two.failures == 2
    fail(addresses, two, 2, unreachable=True)
    assert two.circuit is Circuit.OPEN


def test_a_check_does_not_end_a_trial_nor_does_one_that_began_before_it():
    addresses, (one, _) = made(2)
    fail(addresses, one, 0, 3, unreachable=True)
    assert addresses.choose(5) is one
    until = one.out_until
    addresses.checked(one, 6, 6, up=False)
    addresses.checked(one, 3, 6, up=True)
    assert (one.circuit, one.out_until) == (Circuit.HALF_OPEN, until)
    addresses.failed(one, 5, 7)
    until = one.out_until
    addresses.checked(one, 6, 8, up=False)
    assert one.out_until == until
