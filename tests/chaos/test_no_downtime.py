"""Nothing to migrate: the release goes out under the eyes of visitors, and not one of their requests fails."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.chaos import checker, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.scene import Scene, Stage, scenes

VISITORS = 3
PAUSE_SECONDS = 0.005


@dataclass
class Visitor:
    """One connection that is kept open and asks again and again; what it got."""

    url: str
    path: str
    answers: int = 0
    failed: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)  # in the order in which they were seen, each once in a row

    def visit(self, stop: threading.Event) -> None:
        """Ask until it is time to stop."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        while not stop.wait(PAUSE_SECONDS):
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
                continue
            self.answers += 1
            told = re.search(rb"Release ([^<]*)<", body)
            if answer.status != http.client.OK or told is None:
                self.failed.append(f"{answer.status} {body[:200]!r}")
                continue
            release = told[1].decode()
            if self.releases[-1:] != [release]:
                self.releases.append(release)
        connection.close()


@contextmanager
def visitors(url: str, path: str) -> Iterator[list[Visitor]]:
    """Let visitors ask while the block runs."""
    stop = threading.Event()
    found = [Visitor(url=url, path=path) for _ in range(VISITORS)]
    threads = [threading.Thread(target=visitor.visit, args=(stop,)) for visitor in found]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The site, the deploy's exit code, and what the visitors saw."""

    verdict: Verdict
    code: int
    text: str
    found: list[Visitor]
    down_events: int


def watched(stage: Stage, health: str) -> Seen:
    """Deploy without migrations while visitors ask."""
    with stage.lab.site("mariadb") as site:
        before = snapshot.facts(site)
        # The unhealthy release is broken in /health only: its other page shows who serves in any case.
        source = site.release("next", health=health)
        with visitors(site.url, "/") as found:
            time.sleep(0.5)
            run = site.deploy(source)
            time.sleep(0.5)
        verdict = checker.judge(site, before, run)
        down = sum(event["name"] == "down" for event in checker.journal(site))
        return Seen(verdict=verdict, code=run.code, text=run.text, found=found, down_events=down)


@scenes(watched, ("good",))
def test_not_one_request_fails_while_a_release_without_migrations_goes_out(
    scene: Scene, played: Callable[[Scene], Seen]
) -> None:
    """No maintenance, no backup, no failed request; every visitor went from the old release to the new one, once."""
    seen = played(scene)
    assert (seen.verdict.kind, seen.code, seen.down_events) == (NEW, 0, 0)
    for visitor in seen.found:
        assert visitor.failed == []
        assert visitor.answers > 0
        assert len(visitor.releases) == 2, visitor.releases
        assert visitor.releases[0] == "1"
    assert "no downtime" in seen.text
    assert "Dump the database" not in seen.text


@scenes(watched, ("broken",))
def test_not_one_request_fails_while_an_unhealthy_release_comes_and_goes(
    scene: Scene, played: Callable[[Scene], Seen]
) -> None:
    """P2: it goes back by itself, by one rename, and visitors get an answer all the time."""
    seen = played(scene)
    assert (seen.verdict.kind, seen.code, seen.down_events) == (AS_BEFORE, 3, 0)
    for visitor in seen.found:
        assert visitor.failed == []
        assert visitor.releases, "no visitor was answered"
        assert (visitor.releases[0], visitor.releases[-1], len(visitor.releases)) == ("1", "1", 3)
