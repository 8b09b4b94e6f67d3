"""What a token must be allowed, in the words of a workflow's `permissions:`, and what to say where it is not.

Sources: GitHub's "Permissions required for GitHub Apps" and "Automatic token authentication". A pull request from a fork
or by Dependabot gets a token that can only read, whatever the workflow asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

AGAIN = "The next run tries again."
LIMITED = "Too many requests with this token in a short time: let fewer jobs use it at once. The next run tries again."
REMEDIES = {
    401: "The token is not valid any more; in a workflow, give `${{ github.token }}`.",
    410: "What is written to is locked, or switched off in this repository.",
    422: "GitHub doesn't take it as it was sent, and says why. Are the commit and the pull request of this repository?",
    429: LIMITED,
}


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One permission of a token: its name with its level, and how it is had, in sentences."""

    name: str
    how: str = "Put it under the job's `permissions:`."

    def remedy(self, status: int, *, limited: bool = False) -> str:
        """Return what to do about a refusal with the HTTP `status`; `limited` where GitHub asked for a wait."""
        if limited:
            return LIMITED
        lacks = f"lacks `{self.name}`. {self.how}"
        return {
            403: f"The token {lacks}",
            404: f"The token doesn't reach this repository, what is asked for isn't in it, or the token {lacks}",
            **REMEDIES,
        }.get(status, AGAIN)


_FROM_JOB = Permission.how
_READ_ONLY = f"{_FROM_JOB} A pull request from a fork or by Dependabot can't have it"
_NOT_FROM_JOB = "The job's own token can't have it: give a GitHub App's, or a fine-grained personal one."
CHECKS_READ = Permission(name="checks: read")
CHECKS_WRITE = Permission(name="checks: write", how=f"{_READ_ONLY}, nor can a personal token.")
COMMENTS_WRITE = Permission(name="pull-requests: write", how=f"{_READ_ONLY}.")
CONTENTS_READ = Permission(name="contents: read")
METADATA_READ = Permission(name="metadata: read")
ADMINISTRATION_READ = Permission(name="administration: read", how=_NOT_FROM_JOB)
ADMINISTRATION_WRITE = Permission(name="administration: write", how=_NOT_FROM_JOB)
