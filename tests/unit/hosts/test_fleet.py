"""Several hosts: how they are named, and how all of them are asked at once."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.errors import BadInput, HostUnreachable, NothingChanged
from pyhelpers.hosts.fleet import Address, addresses_in, at_once, gather


def test_each_line_is_a_host_with_user_and_port_where_they_are_its_own() -> None:
    text = "web1.example\n\n deploy@web2.example \nweb3.example:2222\nroot@[2001:db8::1]:22\n2001:db8::2\n[::3]\n"
    assert addresses_in(text) == [
        Address(host="web1.example"),
        Address(host="web2.example", user="deploy"),
        Address(host="web3.example", port=2222),
        Address(host="2001:db8::1", user="root", port=22),
        Address(host="2001:db8::2"),
        Address(host="::3"),
    ]


@pytest.mark.parametrize(
    "line", ["a b", "@web", "web:", "web:x", "web:22:22", "a@b@c", "[web", "web]:22", "web:123456", "[]"]
)
def test_a_line_that_is_no_host_is_refused(line: str) -> None:
    if line == "web:22:22":
        assert addresses_in(line) == [Address(host=line)]  # as an IPv6 address, which `connect` refuses
        return
    with pytest.raises(BadInput, match="host"):
        addresses_in(line)


def test_a_host_takes_part_once() -> None:
    with pytest.raises(BadInput, match="twice"):
        addresses_in("web1\nweb2\nweb1\n")


@given(st.text(max_size=60))
def test_no_text_does_anything_but_name_hosts_or_be_refused(text: str) -> None:
    try:
        found = addresses_in(text)
    except BadInput:
        return
    for address in found:
        assert address.host
        assert not any(char.isspace() for char in f"{address.host}{address.user}")


def test_results_come_in_the_order_of_the_items_and_only_so_many_run_at_once() -> None:
    running, most, lock = [0], [0], threading.Lock()

    def work(number: int) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return number * number

    assert at_once(range(20), work, limit=4) == [number * number for number in range(20)]
    assert most[0] <= 4


def test_the_first_failure_is_raised_at_once_and_what_has_not_begun_does_not_begin() -> None:
    """P2: the abort doesn't wait for hosts that are slow."""
    hang, begun = threading.Event(), []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise NothingChanged("one failed")
        hang.wait(30)

    with pytest.raises(NothingChanged, match="one failed"):
        at_once(range(50), work, limit=2)
    hang.set()
    assert len(begun) <= 3


def test_gather_waits_for_all_and_keeps_every_error() -> None:
    """P7: a host that can't be asked hides no other's answer."""

    def work(number: int) -> int:
        if number % 2:
            raise HostUnreachable(f"host {number}")
        return number

    found = gather(range(5), work)
    assert [str(end) for end in found] == ["0", "host 1", "2", "host 3", "4"]


def test_one_item_is_worked_on_in_this_thread() -> None:
    """P2: a signal interrupts it there."""
    assert at_once([1], lambda _: threading.current_thread()) == [threading.current_thread()]
