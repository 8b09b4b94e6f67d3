"""Where packages come from: what the user told pip, and nothing else of pip's or uv's settings.

A mirror, a proxy or a certificate that the user's network needs must be honoured. Every other setting may break an
installation that is meant to be the same everywhere (`user = true`, `target`, `require-virtualenv`, `no-binary`,
`exclude-newer`), so it is dropped. This is safe, because hashes decide what is installed, wherever it came from.

Sources: pip's documentation, "Configuration" (files, their order, `[install]` over `[global]`, PIP_CONFIG_FILE);
uv's documentation, "Environment variables".
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from pathlib import Path

PIP_SETTINGS = frozenset({
    "cache-dir", "cert", "client-cert", "default-timeout", "extra-index-url", "find-links", "index-url",
    "keyring-provider", "no-cache-dir", "no-index", "proxy", "retries", "timeout", "trusted-host",
})  # fmt: skip

UV_SETTINGS = frozenset({
    "UV_ALLOW_INSECURE_HOST", "UV_CACHE_DIR", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
    "UV_HTTP_RETRIES", "UV_HTTP_TIMEOUT", "UV_INDEX", "UV_INDEX_URL", "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER",
    "UV_LINK_MODE", "UV_NATIVE_TLS", "UV_NO_CACHE", "UV_OFFLINE", "UV_SYSTEM_CERTS",
})  # fmt: skip

UV_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")

# What uv calls the settings of pip that it knows too. "no-index" is an option only; see `uv_options`.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
}


def pip_files(environ: Mapping[str, str]) -> list[Path]:
    """Return the configuration files that pip would read, those that win last."""
    own = environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return []
    home = Path(environ.get("HOME") or "/")
    files = [Path(folder) / "pip/pip.conf" for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    files.append(Path("/etc/pip.conf"))
    if not (own and Path(own).exists()):
        files.append(home / ".pip/pip.conf")
        files.append(Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf")
        if sys.platform == "darwin":
            files.append(home / "Library/Application Support/pip/pip.conf")
    files.append(Path(sys.prefix) / "pip.conf")
    if own:
        files.append(Path(own))
    return files


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what pip's files and PIP_ variables say about where packages come from; a file that can't be read says nothing."""
    config = configparser.RawConfigParser(strict=False)
    found: dict[str, str] = {}
    for file in pip_files(environ):
        try:
            config.read(file, encoding="utf-8")
        except (OSError, UnicodeError, configparser.Error) as problem:
            print(f"belay: {file} is ignored: {type(problem).__name__}", file=sys.stderr)  # noqa: T201
    for section in ("global", "install"):
        if config.has_section(section):
            found |= {name.replace("_", "-"): value for name, value in config.items(section)}
    found |= {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_") and value
    }
    return {name: value for name, value in found.items() if name in PIP_SETTINGS}


def installer_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which pip and uv install: the user's, less all that may change the outcome.

    Every PYTHON, PIP and UV variable goes, with an active virtualenv; the settings above come back, for both programs.
    Where the user told uv itself something, that stands over what pip was told.
    """
    settings = pip_settings(environ)
    for_pip = {"PIP_" + name.upper().replace("-", "_"): value for name, value in settings.items()}
    for_uv = {UV_NAMES[name]: value for name, value in settings.items() if name in UV_NAMES}
    if "UV_FIND_LINKS" in for_uv:
        for_uv["UV_FIND_LINKS"] = ",".join(for_uv["UV_FIND_LINKS"].split())
    if no_index(for_pip) or any(name in environ for name in UV_INDEXES):
        for_uv = {name: value for name, value in for_uv.items() if name not in UV_INDEXES}
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("PYTHON", "PIP_", "UV_", "VIRTUAL_ENV", "__PYVENV"))
        or name in UV_SETTINGS
        or name.startswith("UV_INDEX_")  # UV_INDEX_<NAME>_USERNAME and _PASSWORD
    }
    return {**for_uv, **kept, **for_pip, "PIP_CONFIG_FILE": os.devnull}


def no_index(environ: Mapping[str, str]) -> bool:
    """Whether pip was told to ask no index; the words are those that it takes for yes."""
    return environ.get("PIP_NO_INDEX", "").lower() in {"1", "true", "yes", "on", "t", "y"}


def uv_options(environ: Mapping[str, str]) -> list[str]:
    """Return the options that say to uv what no variable can, given what `installer_environment` returned.

    Any index may answer, as with pip; uv's own default is that the first one that knows a package does.
    """
    alone = no_index(environ) and not any(name in environ for name in UV_INDEXES)
    return ["--index-strategy", "unsafe-best-match", *(["--no-index"] if alone else [])]
