"""A runner whose clock is wrong names a backup; the next runner's is right."""

from __future__ import annotations

import json
import re

from tests.lab.site import Site

FUTURE = "20990101T000000Z-0123456789abcdef"


def back_up(site: Site) -> tuple[str, str]:
    """Make a backup and keep one; return its name and what was said."""
    run = site.run("backup", "create", keep="1")
    assert run.code == 0, run.text
    found = re.search(r"^backup-filename<<(belay-\w+)\n(.*?)\n\1$", run.output.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[2], run.text


def test_a_new_backup_is_never_older_than_one_from_the_future(site: Site) -> None:
    """P1, P4: names tell what is newest; else it would be let go as soon as it is made, and `latest` be a stale one."""
    folder = site.base / ".belay" / "backups"
    first, _ = back_up(site)
    ahead = first.replace(first[: len(FUTURE)], FUTURE)
    manifest = json.loads((folder / first / "manifest.json").read_text())
    (folder / first / "manifest.json").write_text(json.dumps(manifest | {"name": ahead}))
    (folder / first).rename(folder / ahead)

    second, told = back_up(site)
    assert second > ahead
    assert second.startswith("20990101T000001Z-")
    assert "clock" in told
    assert [each.name for each in folder.iterdir() if (each / "manifest.json").exists()] == [second]
    created = json.loads((folder / second / "manifest.json").read_text())["created"]
    assert created < "2099"
