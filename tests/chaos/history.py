"""Random workflows under random harm: written from a seed, played on a site, shrunk while they still fail.

A story is a value: the same seed writes the same one, and its JSON can be played again by itself. What the harm meets
depends on the machine's speed too, so a story that failed once may need a few goes to fail again.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, HELD, NEW
from tests.chaos.scene import Stage
from tests.chaos.snapshot import Facts
from tests.lab.app_database import execute
from tests.lab.faulty_link import FaultyLink
from tests.lab.site import Run, Site

ACTS = 5
LONGEST_SECONDS = 15.0  # until the harm comes; a deploy is mostly over then
LEASE = "10"
SITES = (
    ("sqlite", "plain"),
    ("sqlite", "plain"),
    ("mariadb", "laravel"),
    ("postgresql", "laravel"),
    ("sqlite", "laravel"),
)
VERBS = ("deploy", "deploy", "deploy", "backup", "rollback", "restore", "two")
HARM = (
    "nothing",
    "nothing",
    "kill",
    "kill",
    "cancel",
    "freeze",
    "cut",
    "half-open",
    "stall",
    "step",
    "client",
    "reboot",
    "clock",
)
CLIENTS = ("mariadb-dump", "mariadb", "pg_dump", "pg_restore", "psql", "php", "python3")
MEANT = {"confirm": "production", "accept_loss": "1000"}
HERE = {"INPUT_ENVIRONMENT": "production"}


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that somebody does, and what goes wrong `after` so many seconds."""

    verb: str
    migration: str = ""
    health: str = "good"
    harm: str = "nothing"
    after: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Story:
    """A site and what happens to it."""

    engine: str
    kind: str
    acts: tuple[Act, ...]

    def __str__(self) -> str:
        """Return it as JSON, which `read` takes."""
        return json.dumps(asdict(self))


def read(text: str) -> Story:
    """Return the story that was written down."""
    found = json.loads(text)
    return Story(engine=found["engine"], kind=found["kind"], acts=tuple(Act(**act) for act in found["acts"]))


def written(seed: int) -> Story:
    """Return the story of a seed."""
    chance = random.Random(seed)
    engine, kind = chance.choice(SITES)
    acts = tuple(
        Act(
            verb=chance.choice(VERBS) if number else "deploy",
            migration=chance.choice(["", "good", "slow", "failing"]),
            health=chance.choice(["good", "good", "good", "broken"]),
            harm=chance.choice(HARM),
            after=round(chance.uniform(0.2, LONGEST_SECONDS), 2),
        )
        for number in range(ACTS)
    )
    return Story(engine=engine, kind=kind, acts=acts)


@dataclass(kw_only=True)
class Play:
    """A story on its site: what the live release brings, what the last deploy replaced, and what was told."""

    site: Site
    link: FaultyLink | None
    clock: nemesis.Clock | None
    told: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    brought: tuple[str, ...] = ()  # migrations that the live release brings
    last: str = ""  # the id of the last deploy that went out
    past: tuple[Facts, tuple[str, ...]] | None = None  # what it replaced
    _releases: int = 0

    def act(self, act: Act) -> str:
        """Do one thing; return the verdict (a `HELD` site is the end of the story)."""
        self.told.append(
            f"{act.verb}: {act.migration or 'no migration'}, health {act.health}, {act.harm} at {act.after} s"
        )
        verdict = DOES[act.verb](self, act)
        self.told[-1] += f" -> {verdict}"
        return verdict

    def release(self, act: Act) -> tuple[str, tuple[str, ...]]:
        """Make a release that brings the live one's migrations and perhaps another; return its folder and them."""
        self._releases += 1
        wanted = tuple(dict.fromkeys([*self.brought, act.migration] if act.migration else self.brought))
        source = self.site.release(f"release{self._releases}", migration="+".join(wanted), health=act.health)
        return str(source), wanted

    def start(self, *verb: str, environment: Any = None, **inputs: str) -> Run:
        """Start a verb."""
        return self.site.start(*verb, environment=environment, lease=LEASE, **inputs)

    def harm(self, act: Act, run: Run) -> None:
        """Let it go wrong, and wait for the verb's end."""
        if act.harm != "nothing":
            deadline = time.monotonic() + act.after
            while run.running and time.monotonic() < deadline:
                time.sleep(0.02)
            HARMS[act.harm](self, run)
        run.wait()

    def deploy(self, act: Act) -> str:
        """Deploy once."""
        before = snapshot.facts(self.site)
        source, wanted = self.release(act)
        run = self.start("deploy", source=source)
        self.harm(act, run)
        verdict = checker.judge(self.site, before, run).kind
        self.told[-1] += f", exit {run.code}"
        if verdict == NEW:
            self._went_out(before, wanted)
        return verdict

    def two(self, act: Act) -> str:
        """Start two deploys of like releases at once; at most one of them may lose to the other, and says so."""
        before = snapshot.facts(self.site)
        (first, wanted), (second, _) = self.release(act), self.release(act)
        runs = [self.start("deploy", source=source) for source in (first, second)]
        self.harm(act, runs[0])
        runs[1].wait()
        verdict = checker.judge(self.site, before).kind
        codes = [run.code for run in runs]
        self.told[-1] += f", exits {codes}"
        assert 0 not in codes or verdict == NEW, f"exits {codes}, and the site is {verdict}"
        if verdict == NEW:
            self._went_out(before, wanted)
        return verdict

    def backup(self, act: Act) -> str:
        """Back up by hand: nothing changes, and what is listed afterwards is whole."""
        before = snapshot.facts(self.site)
        run = self.start("backup", "create")
        self.harm(act, run)
        self.told[-1] += f", exit {run.code}"
        return self._either(run, before, before)

    def restore(self, act: Act) -> str:
        """Back up, let visitors write, and restore: one or the other, never a mixture."""
        backed = snapshot.facts(self.site)
        run = self.site.run("backup", "create")
        assert run.code == 0, run.text
        backup = max(path.name for path in (self.site.base / ".belay" / "backups").iterdir())
        what = "notes (body, made_at)" if self.site.kind == "plain" else "changes (what)"
        values = "('since', 'now')" if self.site.kind == "plain" else "('since')"
        with closing(self.site.database.connect_as_app()) as link:
            execute(link, *[f"INSERT INTO {what} VALUES {values}"] * 3)
        before = snapshot.facts(self.site)
        run = self.start("restore", environment=HERE, **{"backup_filename": backup, **MEANT})
        self.harm(act, run)
        self.told[-1] += f", exit {run.code}"
        self.past = None  # a rollback's backup would be older than what was restored
        return self._either(run, before, backed)

    def rollback(self, act: Act) -> str:
        """Roll back the last deploy by hand, with its database where it migrated."""
        if self.past is None:
            return "nothing to roll back"
        before = snapshot.facts(self.site)
        past, brought = self.past
        migrated = brought != self.brought
        goal = past if migrated else {**past, **checker.database_part(before)}
        choice = {"database": "always", "accept_loss": "1000"} if migrated else {}
        run = self.start("rollback", deployment_id=self.last, **choice)
        self.harm(act, run)
        self.told[-1] += f", exit {run.code}"
        verdict = self._either(run, before, goal)
        if verdict == NEW:
            self.brought, self.past = brought, None
        return verdict

    def _went_out(self, before: Facts, wanted: tuple[str, ...]) -> None:
        self.past, self.brought = (before, self.brought), wanted
        self.last = checker.journal(self.site)[0]["name"]

    def _either(self, run: Run, before: Facts, goal: Facts) -> str:
        """Return which of two states the site is in (`NEW`: the goal), or `HELD`; anything else is a violation."""
        checker.settle(self.site)
        problems = [*checker.strays(self.site), *checker.backups(self.site)]
        after = snapshot.facts(self.site)
        verdict = HELD if checker.held(self.site) else NEW if after == goal else AS_BEFORE
        if verdict == AS_BEFORE and after != before:
            problems.append(f"neither ({checker.difference(before, after)}) nor ({checker.difference(goal, after)})")
        if verdict == HELD and len(checker.reason(self.site).split()) < 4:
            problems.append("held without a reason")
        if run.code == 0 and verdict != NEW:
            problems.append(f"exit 0, and it did not happen: {verdict}")
        if run.code in {1, 2, 3, 5} and verdict != AS_BEFORE and before != goal:
            problems.append(f"exit {run.code}, and the site is {verdict}")
        if problems:
            raise checker.Violation(
                "\n".join([*problems, "--- journal ---", checker.journal_text(self.site), "--- log ---", run.text])
            )
        return verdict


DOES: dict[str, Callable[[Play, Act], str]] = {
    "deploy": Play.deploy,
    "two": Play.two,
    "backup": Play.backup,
    "restore": Play.restore,
    "rollback": Play.rollback,
}


def _freeze(play: Play, run: Run) -> None:
    nemesis.freeze(run)
    checker.settle(play.site)
    nemesis.thaw(run)


def _reboot(play: Play, run: Run) -> None:
    if play.link is None:  # a runner elsewhere would have to find an sshd again
        nemesis.kill(run)
        play.site.start("recover", prefix=nemesis.reboot(play.site).prefix).wait()


def _jump(play: Play, _run: Run) -> None:
    if play.clock is not None:
        play.clock.set(play.chance.choice([400, -400]))


def _link(harm: Callable[[FaultyLink], object]) -> Callable[[Play, Run], None]:
    return lambda play, _run: None if play.link is None else (harm(play.link), None)[1]


HARMS: dict[str, Callable[[Play, Run], None]] = {
    "kill": lambda _play, run: nemesis.kill(run),
    "cancel": lambda _play, run: (nemesis.cancel(run), None)[1],
    "freeze": _freeze,
    "cut": _link(FaultyLink.cut),
    "half-open": _link(FaultyLink.silence),
    "stall": _link(lambda link: link.stall(2.0)),
    "step": lambda play, _run: (nemesis.kill_one(play.site, ("op",), seconds=1.0), None)[1],
    "client": lambda play, _run: (nemesis.kill_one(play.site, CLIENTS, seconds=2.0), None)[1],
    "reboot": _reboot,
    "clock": _jump,
}


@contextmanager
def _stage_set(stage: Stage, story: Story) -> Iterator[Play]:
    """Make the site of a story, with a link and a clock that can be harmed where it has them."""
    told = [f"{story.engine} {story.kind}"]
    wanted = any(act.harm == "clock" for act in story.acts) and story.kind == "laravel" and bool(nemesis.FAKETIME)
    clock = nemesis.clock(stage.lab.folder) if wanted else None
    with stage.lab.site(story.engine, kind=story.kind, sshd_settings=clock.settings if clock else ()) as site:
        if site.sshd is None:
            yield Play(site=site, link=None, clock=None, told=told)
            return
        with FaultyLink.to(site.sshd.port) as link:
            site.use_port(link.port)
            yield Play(site=site, link=link, clock=clock, told=told)


def play(stage: Stage, story: Story) -> list[str]:
    """Play a story; return what happened, raise with it what went wrong."""
    with _stage_set(stage, story) as played:
        try:
            for act in story.acts:
                if played.act(act) == HELD:
                    break
        except (AssertionError, RuntimeError) as error:
            raise AssertionError(f"{'; '.join(played.told)}\n{error}") from error
        return played.told


def shrunk(story: Story, fails: Callable[[Story], bool], *, tries: int) -> Story:
    """Return the story without the acts and the harm that it doesn't need in order to fail; it is played `tries` times at most."""
    place = len(story.acts) - 1
    while place >= 0 and tries > 0:
        without = replace(story, acts=story.acts[:place] + story.acts[place + 1 :])
        tries -= 1
        if without.acts and fails(without):
            story = without
        place -= 1
    for place, act in enumerate(story.acts):
        if act.harm == "nothing" or tries <= 0:
            continue
        calm = replace(story, acts=(*story.acts[:place], replace(act, harm="nothing"), *story.acts[place + 1 :]))
        tries -= 1
        if fails(calm):
            story = calm
    return story
