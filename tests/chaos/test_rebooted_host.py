"""The host is rebooted in mid-deploy: every process there is gone, the kernel has a new boot id, nobody undid anything.

The machine itself is not rebooted: its processes are killed, and what contacts it next does so behind a mount that shows
another boot id.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab.sshd import running_sshd

PHASES = (
    at("start", "release"),
    at("start", "down"),
    at("start", "backup"),
    at("start", "migrate", later=1),
    at("end", "migrate"),
    at("end", "switch"),
    at("precommit", "local"),
    at("start", "up"),
)
SAID = "the host was rebooted"


@dataclass(frozen=True, kw_only=True)
class Rebooted:
    """What came of it: the site, what the next contact printed and its exit code, and on which side the reboot came."""

    verdict: Verdict
    text: str
    code: int
    committed: bool


def recovered(stage: Stage, moment: Moment) -> Rebooted:
    """Reboot this machine, runner and all; the next contact is `recover`."""
    expected = stage.undisturbed("sqlite", "plain", "slow").database
    with stage.lab.site("sqlite", kind="plain") as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")))
        nemesis.reached(site, run, moment)
        nemesis.kill(run)
        rebooted = nemesis.reboot(site)
        committed = any(event["event"] == "precommit" for event in checker.journal(site))
        contact = site.start("recover", prefix=rebooted.prefix)
        contact.wait()
        verdict = checker.judge(site, before, expected=expected)
        return Rebooted(verdict=verdict, text=contact.text, code=contact.code, committed=committed)


@scenes(
    recovered,
    *((moment,) for moment in PHASES[1::2]),
    *soak(*((moment,) for moment in PHASES[::2])),
)
def test_the_next_contact_settles_what_a_reboot_left_and_says_so(
    scene: Scene, played: Callable[[Scene], Rebooted]
) -> None:
    """P2: one consistent pair, by the verb `recover`, which names the reboot as the reason."""
    found = played(scene)
    assert found.verdict.kind == (NEW if found.committed else AS_BEFORE)
    assert found.code == 0
    assert found.committed or SAID in found.text


def redeployed(stage: Stage) -> Rebooted:
    """Reboot this machine in a migration; the next contact is the next deploy."""
    expected = stage.undisturbed("sqlite", "plain", "slow").database
    with stage.lab.site("sqlite", kind="plain") as site:
        before = snapshot.facts(site)
        source = str(site.release("next", migration="slow"))
        run = site.start("deploy", source=source)
        nemesis.reached(site, run, at("start", "migrate", later=1))
        nemesis.kill(run)
        rebooted = nemesis.reboot(site)
        contact = site.start("deploy", prefix=rebooted.prefix, source=source)
        contact.wait()
        verdict = checker.judge(site, before, contact, expected=expected)
        return Rebooted(verdict=verdict, text=contact.text, code=contact.code, committed=True)


@scenes(redeployed)
def test_the_next_deploy_settles_what_a_reboot_left_then_goes_out(
    scene: Scene, played: Callable[[Scene], Rebooted]
) -> None:
    """P2, P8: nobody has to know that there was a reboot; it is told all the same."""
    found = played(scene)
    assert (found.verdict.kind, found.code) == (NEW, 0)
    assert SAID in found.text


def survived(stage: Stage, engine: str, moment: Moment) -> Rebooted:
    """Reboot a server under a runner that lives on elsewhere and keeps on asking."""
    with stage.lab.site(engine, own_sshd=True) as site, ExitStack() as stack:
        assert site.sshd is not None
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")))
        assert nemesis.reached(site, run, moment)
        nemesis.stop_server(site.sshd)
        rebooted = nemesis.reboot(site)
        keys = Path(site.sshd.log).parent.parent
        stack.enter_context(running_sshd(keys, port=site.sshd.port, prefix=rebooted.prefix))
        run.wait()
        recover = site.run("recover")
        verdict = checker.judge(site, before, run)
        return Rebooted(verdict=verdict, text=run.text + recover.text, code=run.code, committed=False)


@scenes(survived, ("mariadb", at("start", "migrate", later=1)), ("postgresql", at("end", "switch")))
def test_a_runner_that_outlives_its_hosts_reboot_does_not_go_on(
    scene: Scene, played: Callable[[Scene], Rebooted]
) -> None:
    """P2, P5: the lease ended with the reboot; the runner is refused and the host put back."""
    found = played(scene)
    assert found.verdict.kind == AS_BEFORE
    assert found.code in {3, 6}
    assert SAID in found.text
