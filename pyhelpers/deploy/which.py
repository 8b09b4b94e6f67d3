"""Which deploy a rollback is of: read from what the host remembers, never guessed."""

from __future__ import annotations

from typing import Any

from pyhelpers.deploy.settings import Trace
from pyhelpers.errors import BadInput, NothingChanged
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.status import Status, locked

LAST = "last"  # in place of a deploy's id
SWITCHES = frozenset({"deploy", "maintenance", "rollback"})  # verbs that may change which release is live
ENDED_WELL = frozenset({"confirmed", "kept"})
UNCHANGED = (
    "unchanged"  # in the folder of a `maintenance` during which nothing was changed that a rollback could put back
)
_UNCHANGED = 'cd -- "$1" && for note in */"$2"; do [ ! -e "$note" ] || echo "${note%/*}"; done'


def remembered(agent: Agent) -> list[dict[str, Any]]:
    """Return the host's history without the times in maintenance that changed nothing: there is nothing of them to undo."""
    idle = agent.ask(["sh", "-c", _UNCHANGED, "idle", f"{agent.base}/.belay/deploys", UNCHANGED])
    unchanged = set(idle.text.split()) if idle.ok else set()
    return [entry for entry in agent.history() if entry["id"] not in unchanged]


def changed_nothing(agent: Agent, deployment: str) -> bool:
    """Whether a deploy was a time in maintenance that changed nothing."""
    return bool(deployment) and agent.ask(["test", "-e", f"{agent.folder(deployment)}/{UNCHANGED}"]).ok


def chosen(deployment: str, agent: Agent, holder: Status, trace: Trace, *, own: bool, further: bool = False) -> Status:
    """Return the deploy to undo: the one that is named, the one that holds the host, else the last.

    One that put itself back counts as the last too, unless `further` is asked for by naming a release or a backup.

    With `own`, in a job that names nothing, it is what this very run began, or nothing: a job that failed before it began must not
    undo what another one did well. Raises `Locked` when another deploy is at work and wasn't named.
    """
    if deployment not in {"", LAST}:
        status = agent.status(deployment)
        if not status.deployment:
            remedy = "`status` names the last one."
            raise BadInput("deployment-id", f"the host knows of no deploy `{deployment}`", remedy=remedy)
        return status
    mine = trace.mine
    if own and not (holder.holder and mine(holder.owner)):
        began = [entry["id"] for entry in remembered(agent) if changes(entry) and mine(entry["owner"])]  # its last try
        return agent.status(began[-1]) if began else Status()
    if holder.holder:
        if not holder.settled and not mine(holder.owner):
            raise locked(holder, agent.host.name)
        return holder
    every = remembered(agent)
    history = [entry for entry in every if changes(entry)]
    if not further and history and history[-1].get("verdict") == "rolled-back":
        # The last one put itself back; going on to the one before it would undo what works.
        return agent.status(history[-1]["id"])
    gone = undone(every) if further else set()
    good = [entry["id"] for entry in history if entry.get("verdict") in ENDED_WELL and entry["id"] not in gone]
    status = agent.status(good[-1]) if good else Status()
    if good and not status.deployment and not further:
        raise NothingChanged(
            f"what {good[-1]} replaced can't be told any more: its folder is gone from {agent.host.name}",
            remedy="Name the `release` to go back to, and the `backup-filename` of the database that it needs.",
        )
    return status


def changes(entry: dict[str, Any]) -> bool:
    """Whether a line of the history is of something that changes an app (a backup, a doctor or a rollback isn't undone)."""
    owner = entry.get("owner", {})
    return owner.get("verb") in {"deploy", "maintenance"} and not owner.get("dry-run")


def deployed_since(history: list[dict[str, Any]], deployment: str) -> str:
    """Return the id of the last deploy that ended well after `deployment` and still stands, or nothing."""
    ids = [entry["id"] for entry in history]
    after = {entry["id"] for entry in history[ids.index(deployment) + 1 :]} if deployment in ids else set()
    return next((name for name in reversed(standing(history)) if name in after), "")


def way_back(history: list[dict[str, Any]]) -> list[str]:
    """Return the ids of the last two deploys that ended well and still stand: their backups are the way back."""
    return standing(history)[-2:]


def standing(history: list[dict[str, Any]]) -> list[str]:
    """Return the ids of the deploys that ended well and weren't undone, the oldest first."""
    gone = undone(history)
    return [
        entry["id"]
        for entry in history
        if changes(entry) and entry.get("verdict") in ENDED_WELL and entry["id"] not in gone
    ]


def undone(history: list[dict[str, Any]]) -> set[str]:
    """Return the ids of what a later rollback undid; a rollback that was undone itself undid nothing.

    From the last one back: whether a rollback stands is known only once all that came after it are.
    """
    gone: set[str] = set()
    for entry in reversed(history):
        target = entry.get("owner", {}).get("of")
        if target and entry.get("verdict") in ENDED_WELL and entry["id"] not in gone:
            gone.add(target)
    return gone


def release_before(agent: Agent, deployment: str) -> str:
    """Return the release that was live before a deploy: `previous` is noted by our switch, `link` before the user's own.

    A person may have written the link in another way, e.g. as an absolute one; what is no release stays as it is.
    """
    note = agent.ask(["sh", "-c", 'cat "$1/previous" 2>/dev/null || cat "$1/link"', "note", agent.folder(deployment)])
    folder, _, name = note.text.strip().rstrip("/").rpartition("/") if note.ok else ("", "", "")
    return name if folder.rpartition("/")[2] in {"", "releases"} else f"{folder}/{name}"


def check_still_back(agent: Agent, status: Status, live: str) -> None:
    """Raise `NothingChanged` when a step of the user's own switched `current` after the host had put it back.

    Only in a deploy of pieces: that step knows nothing of the lease, and may have outlived it.
    """
    if status.status != "rolled-back" or status.owner.get("verb") != "maintenance":
        return
    before = release_before(agent, status.deployment).rpartition("/")[2]  # the user's own link may be any
    history = remembered(agent)
    last = next((line["id"] for line in reversed(history) if line["owner"].get("verb") in SWITCHES), "")
    if before and live and live != before and last == status.deployment:
        raise NothingChanged(
            f"{status.deployment} was rolled back to {before} already, and `current` names {live} since then: a step of the "
            "job's own went on",
            remedy=f"See that it has ended, and that the database fits; `release: {before}` goes back once more.",
        )
