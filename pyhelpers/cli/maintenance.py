"""`maintenance`: take the app down for the steps that follow, let it up again, or ask."""

from __future__ import annotations

import re
import secrets
from typing import Any

import click

from pyhelpers.app.app import App
from pyhelpers.app.page import Page, check_redirect
from pyhelpers.cli.options import belay_option, connection_from, connection_options, page_options
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.clock import utc
from pyhelpers.deploy import piecewise
from pyhelpers.deploy.cancellation import watched
from pyhelpers.errors import BadInput, Exit
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.status import check_deployment_id
from pyhelpers.runner.masks import Masks

MODES = ["on", "off", "status"]


@click.command()
@click.argument("word", type=click.Choice(MODES), required=False)
@connection_options
@belay_option(
    "mode",
    type=click.Choice(MODES),
    default=None,
    help="Says what to do: `on`, `off` or `status`; required, here or in belay.toml.",
)
@page_options
@belay_option(
    "redirect",
    check=check_redirect,
    default="",
    help="Names the path that visitors are sent to while the app is down, e.g. `/soon`; by default none.",
)
@belay_option(
    "status",
    type=click.IntRange(200, 599),
    default=503,
    help="Sets the HTTP status of the maintenance page; the default is 503.",
)
@belay_option(
    "lease",
    type=click.IntRange(30, 86400),
    default=900,
    help="Sets after how many seconds without a later step the host undoes everything; the default is 900.",
)
@belay_option(
    "deployment-id",
    check=check_deployment_id,
    default="",
    help="Names the open deploy; by default it is the one that this run began.",
)
@pass_session
def maintenance(session: Session, /, word: str | None, **values: Any) -> int:
    """Take the app down (`on`), let it up (`off`), or ask (`status`)."""
    mode = word or values["mode"]
    if not mode:
        raise BadInput("mode", "is missing", remedy="Give `on`, `off` or `status`.")
    connection = connection_from(values)
    secret = values["secret"] or secrets.token_urlsafe(24)
    session.log.mask(secret)
    with watched() as cancellation, session.agent(connection) as agent:
        if mode == "status":
            deployment, state, changed = _status(agent, connection.path)
        elif mode == "on":
            agent.install()
            agent.reap()
            page = Page(
                secret=secret, **{key: values[key] for key in ("retry", "refresh", "render", "redirect", "status")}
            )
            trace = session.trace
            deployment, state, changed = piecewise.maintenance_on(
                agent,
                connection.path,
                page,
                trace,
                deployment=trace.deployment_id(),
                lease=values["lease"],
                story=session.log,
                cancellation=cancellation,
                now=utc,
            )
        else:
            agent.install()
            deployment, state, changed = piecewise.maintenance_off(
                agent,
                connection.path,
                session.trace,
                deployment=values["deployment_id"],
                story=session.log,
                cancellation=cancellation,
            )
    session.publish(
        {
            "state": state.get("state", ""),
            "changed": changed,
            "since": _in_utc(state.get("since", "")),
            "deployment-id": deployment,
        }
    )
    # A secret of our own making leaves us by no output. One that the workflow gave is its own, and this is where it leads;
    # it is masked in the log, like everywhere.
    given = mode == "on" and changed and values["secret"]
    session.publish({"bypass-path": f"/{secret}" if given else ""}, known=Masks())
    session.log.done(
        f"The app is {state.get('state', 'unknown')}{'' if changed or mode == 'status' else ' (unchanged)'}"
    )
    if deployment and mode == "on":
        session.log.detail(
            f"deploy {deployment}: `maintenance off` ends it; without a later step the host undoes it in {values['lease']} s"
        )
    return Exit.DONE


def _in_utc(seconds: str) -> str:
    """Return the host's seconds since 1970 as people and scripts read a time; nothing for nothing."""
    return utc(int(seconds)) if re.fullmatch("[0-9]{1,11}", seconds) else ""


def _status(agent: Agent, path: str) -> tuple[str, dict[str, str], bool]:
    agent.install()
    holder = agent.status()
    site = piecewise.find_site(agent, path)
    app = App(site=site, agent=agent, folder=agent.folder(holder.deployment or "none"))
    return holder.holder, app.maintenance_status(), False
