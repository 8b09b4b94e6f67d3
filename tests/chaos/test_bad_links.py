"""The link to the host goes bad without being cut: half open, silent, slow, stalling. Runner and host both live on."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Bundle
from pyhelpers.hosts.connect import open_host
from pyhelpers.hosts.ssh import SshHost
from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.matrix import Trials
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab.faulty_link import FaultyLink
from tests.lab.hosts import connection_to
from tests.lab.site import Run, Site

MOMENTS = (
    at("armed", "reaper"),
    at("end", "release"),
    at("start", "backup"),
    at("start", "migrate", later=1),
    at("end", "migrate"),
    at("start", "switch"),
    at("phase", "health"),
    at("precommit", "local"),
    at("end", "up"),
)
ENGINES = ("mariadb", "postgresql", "sqlite")
STALL_SECONDS = 2.0
STALLED_SITES = int(os.environ.get("BELAY_STALLED_SITES") or 8)  # of make soak; each gets so many deploys:
DEPLOYS = 5
LEASE = "30"  # seconds; a quarter of what users have by default
Played = Callable[[Scene], tuple[Verdict, int]]


def test_what_only_looks_is_asked_again_over_a_new_link(stage: Stage) -> None:
    """P2: one torn connection while the app's settings are read is no reason to give a deploy up."""
    sshd = stage.lab.sshd
    with FaultyLink.to(sshd.port) as link:
        known = sshd.known_hosts.replace(f":{sshd.port} ", f":{link.port} ")
        host = open_host(connection_to(sshd, port=link.port, known_hosts=known))
        agent = Agent(host, sshd.base, Bundle.of([]))
        cutter = threading.Timer(0.5, link.cut)
        cutter.start()
        assert agent.read("sh", "-c", "sleep 1; echo well") == "well\n"
        cutter.join()
        assert link.made > 1
        agent.host.close()


def test_a_link_that_is_torn_while_we_hang_up_adds_nothing_to_what_is_known(stage: Stage) -> None:
    """P2, P7: the command has ended; an error of the hanging up would end the deploy, or its heartbeat."""
    host = open_host(connection_to(stage.lab.sshd))
    assert isinstance(host, SshHost)
    with host._link.session(time.monotonic() + 20):
        host._link.open().sock.close()
    assert host.run(["echo", "well"]).text == "well\n"
    host.close()


@contextmanager
def linked(stage: Stage, engine: str) -> Iterator[tuple[Site, FaultyLink]]:
    """A site behind a link that can go bad."""
    with stage.lab.site(engine) as site:
        assert site.sshd is not None
        with FaultyLink.to(site.sshd.port) as link:
            site.use_port(link.port)
            yield site, link


def half_open(stage: Stage, engine: str, moment: Moment) -> tuple[Verdict, int]:
    """Lose every packet of the connections that are there, once; neither end is told, new connections work."""
    expected = stage.undisturbed(engine, "laravel", "slow").database
    with linked(stage, engine) as (site, link):
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")))
        assert nemesis.reached(site, run, moment)
        assert link.silence() > 0
        run.wait()
        return checker.judge(site, before, run, expected=expected), run.code


@scenes(
    half_open,
    *soak(*((engine, moment) for engine in ENGINES for moment in MOMENTS)),
)
def test_a_link_that_is_half_open_is_noticed_and_the_deploy_ends_as_it_says(scene: Scene, played: Played) -> None:
    """P2, P7: nobody waits for ever on a connection whose packets are lost."""
    verdict, code = played(scene)
    assert (verdict.kind, code) in {(NEW, 0), (AS_BEFORE, 3), (AS_BEFORE, 1), (AS_BEFORE, 6), (NEW, 6)}


def silent(stage: Stage, engine: str, moment: Moment) -> tuple[Verdict, int]:
    """Lose every packet from a moment on until the host is settled."""
    expected = stage.undisturbed(engine, "laravel", "slow").database
    with linked(stage, engine) as (site, link):
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")), lease="10")
        assert nemesis.reached(site, run, moment)
        link.silence(new=True)
        committed = any(event["event"] == "precommit" for event in checker.journal(site))
        verdict = checker.judge(site, before, expected=expected)
        assert verdict.kind == (NEW if committed else AS_BEFORE)
        link.heal()
        run.wait()
        return checker.judge(site, before, run, expected=expected), run.code


@scenes(
    silent,
    ("postgresql", MOMENTS[4]),
    *soak(
        *(
            (engine, moment)
            for engine in ENGINES
            for moment in MOMENTS
            if (engine, moment) != ("postgresql", MOMENTS[4])
        )
    ),
)
def test_a_host_that_hears_nothing_saves_itself_and_the_runner_says_so_later(scene: Scene, played: Played) -> None:
    """P2, P5, P7: the lease ran out; whoever comes back is told what the host did."""
    verdict, code = played(scene)
    assert (verdict.kind, code) in {(NEW, 0), (AS_BEFORE, 3), (AS_BEFORE, 1), (AS_BEFORE, 6), (NEW, 6)}


def slow(stage: Stage, engine: str) -> tuple[Verdict, int]:
    """Deploy over a link of 60 kB/s with 50 ms for each piece."""
    with linked(stage, engine) as (site, link):
        before = snapshot.facts(site)
        link.delay, link.bytes_per_second = 0.05, 60_000
        run = site.deploy(site.release("next", migration="good"))
        return checker.judge(site, before, run), run.code


@scenes(slow, ("sqlite",), *soak(("mariadb",), ("postgresql",)))
def test_a_slow_link_only_takes_longer(scene: Scene, played: Played) -> None:
    """P2: nothing trips."""
    verdict, code = played(scene)
    assert (verdict.kind, code) == (NEW, 0)


# --- false alarms -------------------------------------------------------------------------------------------------------


def healthy(stage: Stage, engine: str, seed: int, deploys: int) -> list[tuple[str, int, str]]:
    """Deploy good releases, one after the other, over a link that stalls for 2 s again and again and is torn at times."""
    told: list[tuple[str, int, str]] = []
    with linked(stage, engine) as (site, link):
        for number in range(deploys):
            before = snapshot.facts(site)
            source = site.release(f"good{number}", migration="good")
            run = site.start("deploy", source=str(source), lease=LEASE)
            with stalling(link, run, random.Random(f"{seed}-{number}")):
                run.wait()
            well = (kind := checker.judge(site, before, run).kind) == NEW and run.code in {0, 6}
            told.append((kind, run.code, "" if well else run.text))
    return told


@contextmanager
def stalling(link: FaultyLink, run: Run, chance: random.Random) -> Iterator[None]:
    """Let the link stall, and sometimes break, while the block runs."""

    def harm() -> None:
        while run.running:
            time.sleep(chance.uniform(0.2, 3.0))
            if chance.random() < 0.25:
                link.cut()
            else:
                link.stall(STALL_SECONDS)

    thread = threading.Thread(target=harm)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@scenes(
    healthy,
    ("sqlite", 0, 1),
    *soak(*((ENGINES[seed % 3], seed, DEPLOYS) for seed in range(1, STALLED_SITES + 1))),
)
def test_a_healthy_deploy_over_a_link_that_stalls_and_breaks_is_never_rolled_back(
    scene: Scene, played: Callable[[Scene], list[tuple[str, int, str]]], trials: Trials
) -> None:
    """P2: no false alarm. Exit 6 is honest too: all was healthy, the link was lost at the end, the host completed it."""
    told = played(scene)
    trials.add(len(told))
    assert "\n".join(f"{kind}, exit {code}: {text}" for kind, code, text in told if text) == ""
