"""How long a site's certificate is still valid."""

from __future__ import annotations

import socket
import ssl
import time
from urllib.parse import urlsplit

HTTPS_PORT = 443
DAY_SECONDS = 86_400


def days_left(url: str, *, timeout: float) -> int | None:
    """Return the whole days until the certificate of an `https://` address expires.

    None for `http://`, and where no valid certificate was shown within `timeout` seconds: the health check itself says
    what is wrong then.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or HTTPS_PORT), timeout=timeout) as raw,
            context.wrap_socket(raw, server_hostname=parts.hostname) as link,
        ):
            certificate = link.getpeercert()
    except (OSError, ValueError):  # ValueError: a name that can't be one (`a..b`), which both modules find out late
        return None
    expires = certificate.get("notAfter") if certificate else None
    return int((ssl.cert_time_to_seconds(expires) - time.time()) // DAY_SECONDS) if isinstance(expires, str) else None
