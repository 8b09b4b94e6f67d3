"""These run where a real PHPStan is on PATH; elsewhere the recordings stand for it (tests/unit/gate), and tools/test says so."""

from __future__ import annotations

import shutil

PHPSTAN = shutil.which("phpstan")
collect_ignore_glob = [] if PHPSTAN else ["test_*.py"]
