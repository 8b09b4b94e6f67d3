"""A reboot: no process is left, and the kernel has another boot id. The reboot itself can't be had in a test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.agent.bench import EXPIRED, FENCED, Bench, namespace, says, until


@pytest.fixture
def rebooted(bench: Bench, tmp_path: Path) -> Iterator[Bench]:
    """The same bench as it is seen after the reboot: in a mount namespace with a new boot id."""
    (tmp_path / "boot_id").write_text(f"{uuid.uuid4()}\n")
    with namespace(f"mount --bind '{tmp_path}/boot_id' /proc/sys/kernel/random/boot_id", bench.mark) as enter:
        yield bench.with_(prefix=enter)


def reboot(bench: Bench) -> None:
    """Kill everything that the bench started, but for what keeps the namespace."""
    bench.sweep(keep="sleep 1000")


def test_the_next_deploy_finds_a_lease_that_is_over_and_settles_it(bench: Bench, rebooted: Bench) -> None:
    """P2: a step was running, the lease was long; begin says 77, reap undoes and says why."""
    bench.begin(ttl=10000, watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    bench.step("b", "sleep 61", undo=says("undo b"))
    reboot(bench)
    assert rebooted.status()["lease"] == 0
    assert rebooted.call("renew", "one", 1).code == EXPIRED
    assert rebooted.wait_step("b")[:2] == ("lost", -1)
    assert rebooted.try_begin("two").code == EXPIRED
    rebooted.must("reap")
    found = rebooted.status("one")
    assert (found["status"], found["reason"].strip()) == ("rolled-back", "the host was rebooted")
    assert bench.log() == ["a", "undo b", "undo a"]
    assert rebooted.try_step("c", says("c")).code == FENCED
    assert rebooted.begin("two") == 2


def test_a_reboot_after_precommit_keeps_the_new_release(bench: Bench, rebooted: Bench) -> None:
    """P2: all was healthy; what was still to be done is done now."""
    bench.begin(ttl=10000, watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    bench.register("lift", says("lift"))
    bench.must("precommit", "one", 1)
    reboot(bench)
    rebooted.must("reap")
    assert (rebooted.status("one")["status"], bench.log()) == ("kept", ["a", "lift"])


def test_a_reboot_while_undoing_goes_on_where_it_was(bench: Bench, rebooted: Bench) -> None:
    """P2, P8: the undo that was cut off is run again, those that were done aren't."""
    bench.begin(ttl=10000)
    for name in "abc":
        slow = "[ -f $BELAY_BASE/second ] || sleep 61" if name == "b" else ""
        bench.finished_step(name, undo=f"{says('start ' + name)}\n{slow}\n{says('end ' + name)}")
    bench.must("abort", "one", 1, "the health check failed")
    until(lambda: bench.log()[-1:] == ["start b"], "the second undo")
    reboot(bench)
    (bench.base / "second").touch()
    assert (rebooted.status()["status"], rebooted.try_begin("two").code) == ("aborting", EXPIRED)
    rebooted.must("reap")
    found = rebooted.status("one")
    assert (found["status"], found["reason"].strip()) == ("rolled-back", "the health check failed")
    assert bench.log() == ["start c", "end c", "start b", "start b", "end b", "start a", "end a"]


def test_a_number_that_was_given_anew_after_the_reboot_is_not_killed(bench: Bench, rebooted: Bench) -> None:
    """P5: the step's process number may belong to anything now."""
    bench.begin()
    bench.step("a", "sleep 61", undo=says("undo a"))
    innocent = until(lambda: bench.read(".belay/deploys/one/ops/a/pid"), "the step's pid")
    rebooted.must("reap")  # the step was not killed by a reboot here: it plays the innocent
    assert bench.log() == ["undo a"]
    assert int(innocent.split()[0]) in bench.processes()


def test_a_container_that_was_started_anew_is_a_reboot_too(bench: Bench) -> None:
    """P2: it keeps the kernel's boot id, and its uptime begins anew; the old deadline would hold the host for days."""
    bench.begin(ttl=100, watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    bench.sweep()
    lease = bench.state / "deploys/one/lease"
    boot, deadline = lease.read_text().split()
    lease.write_text(f"{boot} {int(deadline) + 1_000_000}\n")  # as the uptime before was longer than that of now
    found = bench.status()
    assert (found["lease"], found["status"]) == (0, "open")
    assert found["overdue"] > 0
    assert bench.call("renew", "one", 1).code == EXPIRED
    assert bench.try_begin("two").code == EXPIRED
    bench.must("reap")
    found = bench.status("one")
    assert (found["status"], found["reason"].strip()) == ("rolled-back", "the host was rebooted")
    assert bench.log() == ["a", "undo a"]
