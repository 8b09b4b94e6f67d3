"""What makes a host unfit, or a watcher blind, on real mounts: `doctor` says it in a sentence, and so does a deploy.

A network file system can't be had here: for it there is only the kernel's table of mounts as text.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pyhelpers.databases.engine import facts_in
from pyhelpers.deploy.doctor import host_findings, mount_findings, no_database
from tests.chaos import snapshot
from tests.lab.private_mounts import private_mounts
from tests.lab.site import ROOT, Site

DOCTOR = ROOT / "pyhelpers/deploy/doctor.sh"


def remounted(site: Site, how: str) -> list[str]:
    """The words that run a command where the app's folder is mounted in another way."""
    return private_mounts(f"mount --bind '{site.base}' '{site.base}' && mount -o remount,bind,{how} '{site.base}'")


def test_a_read_only_disk_is_said_by_doctor_and_by_the_deploy(site: Site) -> None:
    """P2: nothing was changed."""
    before = snapshot.facts(site)
    told = site.start("doctor", prefix=remounted(site, "ro"))
    assert told.wait() == 1, told.text
    assert f"failed   mount      {site.base} is mounted read-only" in told.text
    assert "Traceback" not in told.text
    refused = site.start("deploy", prefix=remounted(site, "ro"), source=str(site.release("next")))
    assert refused.wait() == 1, refused.text
    assert "read-only" in refused.text.lower()
    assert snapshot.facts(site) == before


def test_on_a_noexec_disk_the_way_back_works_and_doctor_warns(site: Site) -> None:
    """P2: whatever has to run for an undo is read by sh, never started by its path."""
    before = snapshot.facts(site)
    told = site.start("doctor", prefix=remounted(site, "noexec"))
    assert told.wait() == 0, told.text
    assert "warning  mount" in told.text
    assert "noexec" in told.text
    back = site.start("deploy", prefix=remounted(site, "noexec"), source=str(site.release("bad", migration="failing")))
    assert back.wait() == 3, back.text
    assert snapshot.facts(site) == before


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("server:/export {} nfs4 rw,relatime 0 0", "failed"),
        ("server:/export {} nfs rw 0 0", "failed"),
        ("//server/share {} cifs rw 0 0", "failed"),
        ("user@server:/ {} fuse.sshfs rw 0 0", "failed"),
        ("/dev/sdb1 {} ext4 ro,errors=remount-ro 0 0", "failed"),
        ("/dev/sdb1 {} ext4 rw,errors=remount-ro 0 0", ""),
        ("/dev/sdb1 {} xfs rw,noexec 0 0", "warning"),
        ("server:/export {}2 nfs4 ro 0 0", ""),  # another folder, with a longer name
        ("server:/export {}/below nfs4 ro 0 0", ""),
    ],
)
@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
def test_the_mount_that_counts_is_the_one_the_folder_lies_on(tmp_path: Path, shell: str, line: str, level: str) -> None:
    """Text only; the folder need not be there yet."""
    place = tmp_path / "mnt"
    (place / "below").mkdir(parents=True)
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda1 / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\n{line.format(place)}\n")
    if not shutil.which(shell.split(maxsplit=1)[0]):
        pytest.skip(f"{shell} is not here")
    done = subprocess.run(
        [*shell.split(), str(DOCTOR), f"{place}/app/not/yet", str(table)], check=True, capture_output=True, text=True
    )
    assert [finding.level for finding in mount_findings(facts_in(done.stdout))] == ([level] if level else [])


def test_a_user_who_may_not_use_cron_is_told(tmp_path: Path) -> None:
    """P7: Debian's own cron and its cron.deny, in a mount namespace; root is never denied."""
    if not shutil.which("cron") or not shutil.which("crontab"):
        pytest.skip("cron isn't installed")
    (tmp_path / "cron.deny").write_text("nobody\n")
    mounts = (
        "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/spool/cron && mkdir /var/spool/cron/crontabs && "
        "cp -r /etc /run/etc && mount --bind /run/etc /etc && rm -rf /etc/cron.d /etc/crontab && "
        f"cp '{tmp_path}/cron.deny' /etc/cron.deny"
    )
    inside = 'cron -f & cron=$!; sleep 0.5; runuser -u nobody -- sh -c "$0" doctor.sh /; kill "$cron"'
    words = [*private_mounts(mounts), "sh", "-c", inside, DOCTOR.read_text()]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert facts_in(done.stdout).get("reboot") == "denied", done


def test_what_is_missing_is_named() -> None:
    findings = {finding.name: finding for finding in host_findings({"missing": "flock setsid", "base": "readonly"})}
    assert findings["tools"].text == "missing: flock setsid"
    assert (findings["tools"].level, findings["rights"].level) == ("failed", "failed")


def test_before_the_first_deploy_it_looks_where_the_readme_had_the_settings_put(site: Site, tmp_path: Path) -> None:
    """The first thing that a newcomer starts: the folder holds shared/.env and nothing else."""
    base = tmp_path / "app"
    (base / "shared").mkdir(parents=True)
    (base / "shared" / ".env").write_text(f"DB_CONNECTION=sqlite\nDB_DATABASE={base}/shared/app.sqlite\n")
    subprocess.run(["sqlite3", base / "shared" / "app.sqlite", "CREATE TABLE notes (id INTEGER)"], check=True)
    told = site.run("doctor", path=str(base))
    assert told.code == 0, told.text
    assert "nothing is live yet, layout releases" in told.text
    assert f"SQLite `{base}/shared/app.sqlite`" in told.text
    (base / "index.php").touch()
    assert f"there is no {base}/.env" in site.run("doctor", path=str(base)).text


@pytest.mark.parametrize(
    ("there", "needed", "level"), [(True, True, "warning"), (False, True, "failed"), (False, False, "warning")]
)
def test_settings_that_are_not_there_are_not_taken_for_settings_without_a_database(
    *, there: bool, needed: bool, level: str
) -> None:
    """P1: a Laravel release is refused without them, so that "a deploy can be made" would be a lie."""
    found = no_database("/srv/app/shared/.env", there=there, needed=needed)
    assert found.level == level
    assert ("there is no /srv/app/shared/.env" in found.text) is not there
