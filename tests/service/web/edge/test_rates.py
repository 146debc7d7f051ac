"""How often somebody may try, and whose tries they are."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.errors import Invalid, TooOften, Unauthenticated
from labeling.jobs import Role
from labeling.types import KeyId
from service.auth import Caller
from service.web.edge.network_address import address_of, holder_of, proxies_of
from service.web.rates import KEPT, Rate, Tries

ANNA = Caller(KeyId(1), "3f9a0c1b2d4e", "anna", Role.READ, None)


def nobody() -> Caller:
    raise Unauthenticated()


def scope(client: str, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    return {"type": "http", "client": (client, 1), "headers": headers}


def test_a_bucket_empties_at_once_and_fills_again_within_a_minute() -> None:
    now = [0.0]
    rate = Rate(3, lambda: now[0])

    taken = [rate.take("a") for _ in range(4)]
    now[0] = 20.0
    again = [rate.take("a"), rate.take("a")]
    now[0] = 1_000.0

    assert taken == [0, 0, 0, 20.0]
    assert again == [0, 20.0]
    assert [rate.take("a") for _ in range(4)] == [0, 0, 0, 20.0]
    assert rate.take("b") == 0


def test_no_more_names_are_kept_than_there_is_room_for() -> None:
    rate = Rate(1, lambda: 0.0)

    for number in range(KEPT + 10):
        rate.take(str(number))

    assert len(rate._full_at) == KEPT
    assert rate.wait_s(str(KEPT)) > 0


def test_no_limit_is_no_limit() -> None:
    rate = Rate(0, lambda: 0.0)

    assert not any(rate.take("a") for _ in range(10_000))


def test_wrong_keys_are_counted_by_address_and_by_prefix() -> None:
    tries = Tries(2, lambda: 0.0)

    for address, prefix in (("1.1.1.1", "a"), ("1.1.1.1", "b"), ("2.2.2.2", "c"), ("3.3.3.3", "c")):
        with pytest.raises(Unauthenticated):
            tries.tried(address, prefix, nobody)

    for address, prefix in (("1.1.1.1", "d"), ("4.4.4.4", "c")):
        with pytest.raises(TooOften) as refused:
            tries.tried(address, prefix, lambda: ANNA)
        assert refused.value.wait_s == 30.0
    assert tries.tried("4.4.4.4", "d", lambda: ANNA) == ANNA


def test_whoever_used_a_key_from_an_address_is_not_kept_out_by_others_and_may_not_guess_either() -> None:
    tries = Tries(2, lambda: 0.0)
    tries.tried("1.1.1.1", ANNA.prefix, lambda: ANNA)
    for address in ("1.1.1.1", "2.2.2.2"):
        with pytest.raises(Unauthenticated):
            tries.tried(address, ANNA.prefix, nobody)

    with pytest.raises(TooOften):
        tries.tried("1.1.1.1", ANNA.prefix, nobody)
    with pytest.raises(TooOften):
        tries.tried("3.3.3.3", ANNA.prefix, lambda: ANNA)
    assert tries.tried("1.1.1.1", ANNA.prefix, lambda: ANNA) == ANNA


def test_only_a_trusted_proxy_says_where_a_request_comes_from() -> None:
    proxies = proxies_of("10.0.0.0/8, ::1")

    assert address_of(scope("9.9.9.9", "1.1.1.1"), proxies) == "9.9.9.9"
    assert address_of(scope("10.0.0.1", "1.1.1.1"), ()) == "10.0.0.1"
    assert address_of(scope("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2"), proxies) == "1.1.1.1"
    assert address_of(scope("::ffff:10.0.0.1", "6.6.6.6", "1.1.1.1"), proxies) == "1.1.1.1"
    assert address_of(scope("10.0.0.1", "6.6.6.6, what"), proxies) == "10.0.0.1"
    assert address_of(scope("10.0.0.1"), proxies) == "10.0.0.1"
    assert address_of({"type": "http", "client": None, "headers": []}, proxies) == ""


def test_addresses_that_one_customer_has_are_one() -> None:
    assert holder_of("2001:db8:1:2:3:4:5:6") == holder_of("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert holder_of("::ffff:1.2.3.4") == holder_of("1.2.3.4") == "1.2.3.4"
    assert holder_of("testclient") == "testclient"


def test_a_proxy_that_is_no_address_is_named() -> None:
    with pytest.raises(Invalid, match="HARDCASE_TRUSTED_PROXIES: 'proxy.example'"):
        proxies_of("proxy.example")
