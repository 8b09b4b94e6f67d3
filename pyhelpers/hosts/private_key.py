"""The private key from the `ssh-key` input: read in memory, and checked before anything is contacted."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field

import paramiko

from pyhelpers.errors import BadInput

HOW_TO_STORE_IT = "Store the whole file as the secret, line breaks included: `gh secret set DEPLOY_SSH_KEY --env production < path/to/key` (the file without .pub)."
HOW_TO_MAKE_ONE = "Make a key for deploys alone: `ssh-keygen -t ed25519 -N '' -f deploy-key`."
_KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
_PUBLIC = ("ssh-", "ecdsa-", "sk-", "---- BEGIN SSH2 PUBLIC", "-----BEGIN PUBLIC", "-----BEGIN RSA PUBLIC")

_BODY = re.compile(r"[A-Za-z0-9+/=]*|[A-Za-z-]+: .*")  # base64 or a header; paramiko overlooks what OpenSSH refuses


@dataclass(frozen=True)
class PrivateKey:
    """A private key: `text` for OpenSSH (repaired line ends), `loaded` for paramiko. Neither is ever shown."""

    text: str = field(repr=False)
    loaded: paramiko.PKey = field(repr=False, compare=False)

    @property
    def public_line(self) -> str:
        """The line that belongs into the server's `~/.ssh/authorized_keys`."""
        return f"{self.loaded.get_name()} {self.loaded.get_base64()}"


def read_private_key(text: str) -> PrivateKey:
    """Return the key in `text`; Windows line ends and a missing last line break are repaired.

    Raises `BadInput` for everything else, saying what was pasted instead of a private key, as far as that can be told.
    """
    repaired = "\n".join(line.strip() for line in text.lstrip("\ufeff").strip().splitlines()) + "\n"
    _refuse_what_is_no_key(repaired)
    for kind in _KINDS:
        try:
            return PrivateKey(repaired, kind.from_private_key(io.StringIO(repaired)))
        except paramiko.PasswordRequiredException:
            raise BadInput("ssh-key", "is protected by a passphrase", remedy=HOW_TO_MAKE_ONE) from None
        except (paramiko.SSHException, ValueError, IndexError, UnicodeError):
            continue  # another kind, or broken; what a reader says of a key is never passed on, it may quote it
    raise BadInput(
        "ssh-key", "can't be read as an Ed25519, ECDSA or RSA private key; was it cut?", remedy=HOW_TO_STORE_IT
    )


def _refuse_what_is_no_key(text: str) -> None:
    """Raise `BadInput` for the usual mistakes, each with its own sentence."""
    if not text.strip():
        raise BadInput("ssh-key", "is missing", remedy=HOW_TO_STORE_IT)
    if text.startswith(_PUBLIC):
        raise BadInput("ssh-key", "is a public key; the private one is needed", remedy=HOW_TO_STORE_IT)
    if text.startswith("PuTTY-User-Key-File"):
        remedy = "Convert it: `puttygen key.ppk -O private-openssh -o key`."
        raise BadInput("ssh-key", "is in PuTTY's own format", remedy=remedy)
    if "\\n" in text and text.count("\n") == 1:
        raise BadInput("ssh-key", "holds the two characters \\n instead of line breaks", remedy=HOW_TO_STORE_IT)
    lines = text.strip().split("\n")
    first, last = lines[0], lines[-1]
    if not (first.startswith("-----BEGIN ") and first.endswith(" PRIVATE KEY-----")):
        raise BadInput("ssh-key", "doesn't begin with -----BEGIN … PRIVATE KEY-----", remedy=HOW_TO_STORE_IT)
    if last != first.replace("BEGIN", "END", 1):
        raise BadInput("ssh-key", "doesn't end with -----END … PRIVATE KEY-----; was it cut?", remedy=HOW_TO_STORE_IT)
    if not all(_BODY.fullmatch(line) for line in lines[1:-1]):
        raise BadInput("ssh-key", "holds characters that no key has; was it changed?", remedy=HOW_TO_STORE_IT)
