"""`health`: whether the app is well, as seen from here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from pyhelpers.app.page import check_secret
from pyhelpers.cli.options import belay_option, secret_option
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.deploy.report import health_results
from pyhelpers.errors import BadInput, Exit, NothingChanged
from pyhelpers.watch.certificate import days_left
from pyhelpers.watch.health import Health, expectation_in, probe, statuses_in
from pyhelpers.watch.http import check_url


class Unwell(NothingChanged):
    """The app is not healthy."""

    title = "Unhealthy"


def check_bypass(secret: str) -> None:
    """Raise `BadInput` for a `bypass-secret` that no maintenance page can have."""
    check_secret(secret, source="bypass-secret")


@click.command()
@belay_option(
    "url",
    default="",
    help="Names the address that proves that the app is well, e.g. `https://app.example.com/up`; required, here or in belay.toml.",
)
@belay_option(
    "expect-status",
    default="200-299",
    help="Lists the statuses that count as healthy, e.g. `200,301`; the default is `200-299`.",
)
@belay_option(
    "expect-json",
    lines=True,
    default="",
    help="Lists what the JSON answer holds, one per line, e.g. `database=ok`; by default nothing.",
)
@belay_option(
    "expect-release",
    default="",
    help="Names the release that has to answer, by a JSON key `release` or a header `X-Release`; by default any.",
)
@secret_option(
    "bypass-secret",
    check=check_bypass,
    help="Holds the secret that passes the maintenance page; by default the page is asked as a visitor would.",
)
@belay_option("attempts", type=click.IntRange(1, 1000), default=5, help="Sets how often to try; the default is 5.")
@belay_option(
    "successes",
    type=click.IntRange(1, 100),
    default=1,
    help="Sets how many good answers in a row are needed; the default is 1.",
)
@belay_option(
    "interval", type=click.FloatRange(0, 600), default=2.0, help="Sets the seconds between two tries; the default is 2."
)
@belay_option(
    "providers",
    lines=True,
    default="",
    help="Lists external services to check (none in this version); by default none.",
)
@belay_option(
    "cache-ttl",
    type=click.IntRange(0, 86400),
    default=300,
    help="Sets for how many seconds a provider's verdict is kept; the default is 300.",
)
@belay_option(
    "cache-file",
    default="",
    help="Names the file that keeps the providers' verdicts (not in this version); by default none.",
)
@belay_option(
    "connect-timeout",
    type=click.FloatRange(0.1, 600),
    default=5.0,
    help="Limits how many seconds connecting may take; the default is 5.",
)
@belay_option(
    "timeout",
    type=click.FloatRange(0.1, 600),
    default=5.0,
    help="Limits how many seconds the whole answer may take; the default is 5.",
)
@belay_option(
    "tls-warn",
    type=click.IntRange(0, 3650),
    default=14,
    help="Warns when the certificate is valid for fewer days than this; the default is 14.",
)
@pass_session
def health(session: Session, /, **values: Any) -> int:
    """Ask the app whether it is well."""
    for name in ("providers", "cache_file"):
        if values[name]:
            raise BadInput(
                name.replace("_", "-"), "external services can't be checked in this version", remedy="Leave it out."
            )
    check_url(values["url"], source="url")
    if values["successes"] > values["attempts"]:
        raise BadInput("successes", "is more than `attempts`, so no run could pass", remedy="Raise `attempts`.")
    if values["bypass_secret"]:
        session.log.mask(values["bypass_secret"])
    lines = [f"json.{line.strip()}" for line in values["expect_json"].splitlines() if line.strip()]
    expect = replace(
        expectation_in(lines, source="expect-json"),
        statuses=statuses_in(values["expect_status"], source="expect-status"),
        release=values["expect_release"],
        release_required=bool(values["expect_release"]),
    )
    asked = Health(
        url=values["url"],
        expect=expect,
        attempts=values["attempts"],
        successes=values["successes"],
        interval=values["interval"],
        connect_timeout=values["connect_timeout"],
        timeout=values["timeout"],
    )
    session.log.step(f"Health check of {asked.url}")
    answer = probe(asked, secret=values["bypass_secret"], name="health")
    days = days_left(asked.url, timeout=asked.timeout)
    session.publish(
        {
            "healthy": answer.healthy,
            "health-results": health_results([answer], answer.healthy),
            "cached": False,
            "certificate-days": days,
            "failed-checks": [] if answer.healthy else [answer.name],
        }
    )
    if days is not None and days < values["tls_warn"]:
        session.log.warning(
            f"the certificate of {asked.url} is valid for {days} more days", title="Certificate expires"
        )
    if not answer.healthy:
        raise Unwell(f"{asked.url} is not healthy: {answer.reason}", remedy="Look at the app's own log.")
    session.log.done(f"healthy: status {answer.status} in {answer.seconds * 1000:.0f} ms {answer.release}".rstrip())
    return Exit.DONE
