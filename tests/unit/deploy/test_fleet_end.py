"""One verdict for several hosts: what needs a person most decides, and what is unknown is never called done."""

from __future__ import annotations

import itertools

import pytest

from pyhelpers.deploy.fleet_end import HostEnd, judge
from pyhelpers.deploy.report import combined
from pyhelpers.errors import Fenced, Held, NothingChanged, RolledBack, Unknown

CAUSE = NothingChanged("it slipped", details="first\nlast line")
RESULTS = ("deployed", "rolled-back", "held", "unknown")


def ends(*results: str) -> list[HostEnd]:
    return [HostEnd(host=f"web{number}", result=result, reason="because") for number, result in enumerate(results)]


def verdict(*results: str, visible: bool = True) -> bool:
    return judge(ends(*results), CAUSE, cause=CAUSE.message, visible=visible)


def test_all_back_is_rolled_back_where_anything_was_visible() -> None:
    with pytest.raises(RolledBack, match=r"it slipped: last line. Everything was put back on all 2 hosts."):
        verdict("rolled-back", "rolled-back")
    assert verdict("rolled-back", "rolled-back", visible=False) is False


@pytest.mark.parametrize("error", [Unknown("the step still runs"), Fenced("the lease was lost")])
def test_what_every_host_told_is_unknown_no_more(error: Unknown | Fenced) -> None:
    """P7: nothing was visible, and all of them said that nothing is left."""
    with pytest.raises(NothingChanged, match=error.message):
        judge(ends("rolled-back", "rolled-back"), error, cause=error.message, visible=False)


def test_all_kept_counts_as_done() -> None:
    assert verdict("deployed", "deployed") is True


@pytest.mark.parametrize("results", list(itertools.product(RESULTS, repeat=3)))
def test_no_mixture_is_a_success_and_each_host_is_named(results: tuple[str, ...]) -> None:
    """P7: whatever combination the hosts tell, a person reads what each of them is."""
    if set(results) in ({"deployed"}, {"rolled-back"}):
        return
    wanted = Held if "held" in results else Unknown
    with pytest.raises(wanted) as caught:
        verdict(*results)
    for end in ends(*results):
        assert f"{end.host}: {end.result}" in caught.value.message


@pytest.mark.parametrize(
    ("results", "wanted"),
    [
        (["deployed", "deployed"], "deployed"),
        (["rolled-back", "failed"], "rolled-back"),
        (["failed", ""], "failed"),
        (["", ""], ""),
        (["deployed", "rolled-back"], "unknown"),
        (["deployed", "unknown"], "unknown"),
        (["held", "unknown", "deployed"], "held"),
    ],
)
def test_the_verdict_step_says_one_result_for_all(results: list[str], wanted: str) -> None:
    assert combined(results) == wanted
