"""The barrier of a fleet: what lets its hosts decide the same when no runner is there to tell them.

It lies in the database that they share (`databases/barrier.sh` says what its states mean) and is there only while a
fleet migrates behind the maintenance page. The order of the calls below is the protocol; `deploy.py` makes them.
"""

from __future__ import annotations

import hashlib

from pyhelpers.databases.engine import Database
from pyhelpers.deploy.fleet import Fleet
from pyhelpers.deploy.work import Work
from pyhelpers.errors import BadInput, CommandFailed, NothingChanged

WAIT = "leader"  # the name of a follower's undo and finish that wait for the leader


def raise_barrier(fleet: Fleet[Work]) -> None:
    """Make the barrier, and prove on every follower that it is seen there: that its database is the leader's.

    Raises `BadInput` where the hosts can't share a database, `NothingChanged` where they don't.
    """
    leader, database = fleet.leader, fleet.leader.database
    if database is None:
        raise BadInput(
            "migrate-command",
            "is given, but the app's settings on the leader name no database, which holds a fleet's hosts together",
            remedy="Name it in the app's .env on every host, or migrate by `migrate: never` and a step of your own.",
        )
    if database.engine.name == "sqlite":
        raise BadInput(
            "host",
            f"names {len(fleet.works)} hosts, and an SQLite database is a file that each host has for itself",
            remedy="Use MariaDB, MySQL or PostgreSQL for an app on several hosts.",
        )
    name = barrier_name(leader)
    leader.deploy.agent.host.put(f"{name}\n".encode(), f"{leader.deploy.folder}/barrier")
    leader.deploy.run(
        "barrier",
        "Put the fleet's barrier into the database",
        command=_set_line(fleet, database, "open"),
        undo=_line(fleet, leader, database, "drop"),
    )
    fleet.each(lambda work: _see(fleet, work), fleet.followers)


def _see(fleet: Fleet[Work], work: Work) -> None:
    if work.shared is None:
        raise NothingChanged(
            "the app's settings on this host name no database, and the leader's do",
            remedy="Give every host of a fleet the same DB_ settings.",
        )
    try:
        work.deploy.run(
            "shared", "See that the database is the leader's", command=_line(fleet, work, work.shared, "seen")
        )
    except CommandFailed as error:
        last = error.details.strip().splitlines()[-1] if error.details.strip() else error.message
        raise NothingChanged(last, remedy="Give every host of a fleet the same DB_ settings.") from error


def follow(fleet: Fleet[Work], work: Work) -> None:
    """Leave the undo that keeps this host's visitors and workers out until the leader has put the database back."""
    if work.shared is not None:
        work.deploy.leave_undo(WAIT, _line(fleet, work, work.shared, "back"))


def close_barrier(fleet: Fleet[Work]) -> None:
    """Say that the migration begins, and only then make sure that no host has given up before it could know.

    Its undo runs right behind the database's own: what the leader fails at later (its workers, its page) keeps no other
    host's visitors out.
    """
    leader, database = fleet.leader, fleet.leader.database
    assert database is not None  # noqa: S101  # there is a barrier
    leader.deploy.run(
        "barrier-migrating",
        "Close the fleet's barrier",
        command=_set_line(fleet, database, "migrating"),
        undo=_line(fleet, leader, database, "drop"),
    )
    fleet.each(lambda work: work.deploy.renew(), fleet.followers)


def leave_finish(fleet: Fleet[Work], work: Work) -> None:
    """Leave, as the first thing that completes the deploy on a host whose runner died: what the leader decided.

    The leader tells it, once it is past the point of no return; the others ask for it.
    """
    if work is fleet.leader and work.database is not None:
        work.deploy.agent.register(work.deploy.token, "barrier", _line(fleet, work, work.database, "keep"))
    elif work.shared is not None:
        work.deploy.agent.register(work.deploy.token, WAIT, _line(fleet, work, work.shared, "ahead"))


def keep(fleet: Fleet[Work]) -> None:
    """Tell every host that the leader keeps the new release, and the leader's own undo that visitors are in from now on."""
    leader, database = fleet.leader, fleet.leader.database
    assert database is not None  # noqa: S101  # there is a barrier
    leader.deploy.run("barrier-kept", "Open the fleet's barrier", command=_line(fleet, leader, database, "keep"))


def drop(fleet: Fleet[Work]) -> None:
    """Take the barrier away, now that every other host has ended. One that stays does no harm and goes with the next."""
    if fleet.leader in fleet.behind or fleet.leader.database is None:
        return
    line = _line(fleet, fleet.leader, fleet.leader.database, "drop")
    try:
        fleet.leader.deploy.run("barrier-drop", "Take the fleet's barrier away", command=line)
    except CommandFailed as error:
        fleet.story.warning(f"{error.message}; the next deploy drops the barrier", title="Not tidied up")


def barrier_name(leader: Work) -> str:
    """Return the barrier's name: 16 hexadecimal digits made of the deploy's id."""
    return hashlib.sha256(leader.deploy.deployment.encode()).hexdigest()[:16]


def _set_line(fleet: Fleet[Work], database: Database, state: str) -> str:
    name = barrier_name(fleet.leader)
    return database.scripts.call(database.engine.script, "barrier-set", database.connection, name, state)


def _line(fleet: Fleet[Work], work: Work, database: Database, verb: str) -> str:
    words = [database.engine.script, database.connection, barrier_name(fleet.leader), fleet.leader.host]
    return work.deploy.agent.scripts.call("barrier.sh", verb, *words)
