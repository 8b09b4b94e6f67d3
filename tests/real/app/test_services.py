"""What runs beside the app: stopped before the backup, on the new code after the switch, and only if it was asked for."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import laravel
from tests.lab.shells import Shell, error
from tests.lab.supervisor import Supervisor, running_supervisor


@dataclass
class Host:
    """A Laravel site under a deploy, its list of services, and the verbs of the script."""

    shell: Shell
    base: Path
    deploy: Path
    services: str = ""
    path: str = ""

    def run(self, verb: str, *more: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        """Run one verb of the script."""
        (self.deploy / "services").write_text(self.services)
        arguments = (
            [self.deploy / "services", self.base / "current", "php"] if verb != "check" else [self.deploy / "services"]
        )
        base = {"BELAY_BASE": str(self.base), "BELAY_DEPLOY": str(self.deploy)}
        if self.path:
            base["PATH"] = f"{self.path}:{self.shell.path}"
        return self.shell.run("services.sh", verb, *arguments, *more, environment=base | environment)

    def ok(self, verb: str, *more: str) -> list[str]:
        """Run one verb that must succeed; returns its lines."""
        done = self.run(verb, *more)
        assert done.returncode == 0, done.stdout.decode() + error(done)
        return done.stdout.decode().splitlines()

    def switch(self, release: str) -> None:
        """Switch as a deploy does, which notes the moment."""
        environment = {"BELAY_BASE": str(self.base), "BELAY_DEPLOY": str(self.deploy)}
        (self.deploy / "previous").unlink(missing_ok=True)
        done = self.shell.run("releases.sh", "switch", release, environment=environment)
        assert done.returncode == 0, error(done)


@pytest.fixture
def host(shell: Shell, tmp_path: Path) -> Host:
    base = laravel.make_site(tmp_path / "site", database={"DB_CONNECTION": "sqlite"})
    laravel.add_release(base, "2")
    deploy = base / ".belay" / "deploys" / "1"
    deploy.mkdir(parents=True)
    return Host(shell, base, deploy)


@pytest.fixture
def supervisor(host: Host) -> Iterator[Supervisor]:
    """Two programs: a queue worker that the services name, and one that they don't."""
    command = "php artisan queue:work --sleep=1 --tries=1"
    place = host.base / "current"
    with running_supervisor({"shop": (command, place), "other": ("sleep 1000", host.base)}) as running:
        host.services = f"# our workers\nsupervisor({running.configuration}): shop\n\n"
        yield running


def test_workers_are_stopped_for_the_backup_and_start_again_on_the_new_code(host: Host, supervisor: Supervisor) -> None:
    """P1, P2: nobody writes while the backup is taken; afterwards nobody is left on old code, or left stopped."""
    line = host.services.splitlines()[1]
    other = supervisor.pids()["other"]
    for _ in range(2):
        assert host.ok("stop") == [f"ok={line}"]
        assert supervisor.states() == {"shop": "STOPPED", "other": "RUNNING"}
    host.switch("2")
    assert host.ok("apply") == [f"skipped={line}"], "it starts when the app opens, not before"
    assert host.ok("verify", "0") == [f"skipped={line}"]
    for _ in range(2):
        assert host.ok("start") == [f"ok={line}"]
    pid = supervisor.pids()["shop"]
    assert Path(f"/proc/{pid}/cwd").resolve() == host.base / "releases" / "2"
    assert host.ok("verify", "5") == [f"ok={line}"]
    assert host.ok("apply") == [f"ok={line}"]
    assert supervisor.pids() == {"shop": pid, "other": other}, "who has the new code already is left alone"


def test_a_worker_that_runs_through_the_switch_is_found_and_restarted(host: Host, supervisor: Supervisor) -> None:
    """P2: a worker keeps the release that it was started in until it is told."""
    pid = supervisor.pids()["shop"]
    host.switch("2")
    done = host.run("verify", "0")
    assert done.returncode == 1
    assert f"detail=process {pid} " in done.stdout.decode()
    host.ok("apply")
    assert supervisor.pids()["shop"] != pid
    host.ok("verify", "5")


def test_a_worker_pinned_to_an_old_release_is_stale_even_when_it_was_restarted(host: Host) -> None:
    """P2: `directory=releases/1` in supervisor's configuration survives every restart."""
    command = "php artisan queue:work --sleep=1"
    with running_supervisor({"shop": (command, host.base / "releases" / "1")}) as running:
        host.services = f"supervisor({running.configuration}): shop"
        host.switch("2")
        running.control("restart", "shop")
        done = host.run("verify", "0")
        assert done.returncode == 1
        assert "releases/1" in done.stdout.decode()


def test_a_worker_that_a_person_stopped_stays_stopped(host: Host, supervisor: Supervisor) -> None:
    """P8: the undo of a stop starts what was stopped by it, and nothing else."""
    supervisor.control("stop", "shop")
    host.ok("stop")
    host.switch("2")
    for verb in (("apply",), ("verify", "0"), ("start",)):
        host.ok(*verb)
        assert supervisor.states()["shop"] == "STOPPED"


def test_a_worker_that_does_not_exist_or_cannot_be_asked_is_a_failure(host: Host, supervisor: Supervisor) -> None:
    """P7."""
    host.services = f"supervisor({supervisor.configuration}): no-such\nsupervisor(/no/such.conf): shop\n"
    for verb in ("stop", "apply"):
        done = host.run(verb)
        assert done.returncode == 1
        assert done.stdout.decode().count("failed=") == 2, "each line is tried"


def test_queue_workers_of_any_origin_are_asked_to_end_and_looked_for(host: Host) -> None:
    """P2: a worker without a supervisor ends after its job; the restart is asked for by the app's own command."""
    host.services = "queue\n"
    worker = subprocess.Popen(
        ["php", "artisan", "queue:work", "--sleep=1"],
        cwd=host.base / "current",
        stdout=subprocess.DEVNULL,
        env=laravel.environment(),
    )
    try:
        time.sleep(1)
        host.switch("2")
        done = host.run("verify", "0")
        assert done.returncode == 1
        assert f"process {worker.pid} " in done.stdout.decode()
        host.ok("apply")
        assert host.ok("verify", "20") == ["ok=queue"]
    finally:
        worker.terminate()
        worker.wait(10)


def test_workers_of_other_apps_on_the_same_host_are_nobodys_business(host: Host, tmp_path: Path) -> None:
    neighbour = laravel.make_in_place(tmp_path / "neighbour", database={"DB_CONNECTION": "sqlite"})
    host.services = "queue"
    worker = subprocess.Popen(
        ["php", "artisan", "queue:work", "--sleep=1"],
        cwd=neighbour,
        stdout=subprocess.DEVNULL,
        env=laravel.environment(),
    )
    try:
        time.sleep(0.5)
        host.switch("2")
        assert host.ok("verify", "0") == ["ok=queue"]
    finally:
        worker.terminate()
        worker.wait(10)


def test_reload_uses_the_apps_own_command_where_it_has_one(host: Host) -> None:
    """Laravel 12.41 brought `reload`; before it the queue is restarted."""
    host.services = "reload\n"
    host.ok("apply")
    routes = host.base / "current" / "routes" / "console.php"
    routes.write_text(
        routes.read_text() + "Artisan::command('reload', function () { touch(storage_path('app/reloaded')); });\n"
    )
    host.ok("apply")
    assert (host.base / "shared/storage/app/reloaded").exists()
    (host.base / "current" / "vendor" / "autoload.php").write_text("<?php exit(255);")
    assert host.run("apply").returncode == 1


def test_php_fpm_is_reloaded_so_that_opcache_lets_go_of_the_old_release(host: Host) -> None:
    """P2: with $document_root nginx serves the old release until then."""
    with laravel.running_php(host.base) as web:
        host.services = f"php-fpm: {web.fpm_pid_file}\n"
        assert "Release 1" in page(web.stale_url)
        host.switch("2")
        assert "Release 1" in page(web.stale_url)
        assert host.run("verify", "0").returncode == 1
        host.ok("apply")
        host.ok("verify", "20")
        assert "Release 2" in page(web.stale_url)


def page(url: str) -> str:
    """The home page's text."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_a_line_of_shell_runs_in_the_live_folder_without_the_agents_locks(host: Host) -> None:
    """P5: a daemon that kept the agent's lock open would lock the host for ever."""
    host.services = "command: pwd -P >ran; ls /proc/self/fd >fds; exit 0\ncommand: exit 3"
    host.switch("2")
    lock = host.deploy / "lock"
    command = host.shell.command("services.sh", "apply", host.deploy / "services", host.base / "current", "php")
    (host.deploy / "services").write_text(host.services)
    done = subprocess.run(
        ["dash", "-c", 'exec 8>"$1" 9>"$1"; shift; "$@"', "dash", lock, *command],
        env=host.shell.environment({"BELAY_BASE": str(host.base), "BELAY_DEPLOY": str(host.deploy)}),
        check=False,
        capture_output=True,
    )
    assert done.returncode == 1
    assert done.stdout.decode().splitlines() == ["ok=" + host.services.splitlines()[0], "failed=command: exit 3"]
    assert (host.base / "current/ran").read_text().strip() == str(host.base / "releases/2")
    assert not {"8", "9"} & set((host.base / "current/fds").read_text().split())


@pytest.mark.parametrize(
    "line",
    ["nginx", "queue: x", "php-fpm:", "supervisor: a b", "supervisor: -x", "supervisor(etc/x): a", "supervisor(/x) a",
     "systemd: a;b", "systemd(root): a", "pm2: $(id)", "command:", "reload now"],
)  # fmt: skip
def test_a_line_that_is_not_understood_stops_before_anything_is_done(host: Host, line: str) -> None:
    host.services = line
    assert host.run("check").returncode == 1
    done = host.run("apply")
    assert done.returncode == 1
    assert line in error(done)


def test_check_says_which_tool_is_missing(host: Host, tmp_path: Path) -> None:
    """P2: found out before the deploy begins, not while the app is down."""
    host.services = "queue\nsupervisor: x\ncommand: true\nphp-fpm: php8.2-fpm\n"
    assert host.ok("check") == ["ok=queue", "ok=supervisor: x", "ok=command: true", "ok=php-fpm: php8.2-fpm"]
    tools = tmp_path / "few"
    tools.mkdir()
    for tool in ("sh", "dash", "busybox", "sed", "cat", "dirname", "grep", "basename"):
        found = subprocess.run(
            ["sh", "-c", f"command -v {tool}"], check=False, capture_output=True, text=True
        ).stdout.strip()
        if found:
            (tools / tool).symlink_to(found)
    done = host.run("check", PATH=str(tools))
    assert done.returncode == 1
    assert "failed=supervisor: x" in done.stdout.decode()


STAND_IN = {
    # systemd can't run in the lab, and pm2 isn't packaged: these keep a process and its state as the real ones do.
    "systemctl": """#!/bin/sh
for word do :; done
unit=$word
case "$*" in
*show*) case "$*" in
    *LoadState*) [ -e "$STATE/$unit.unit" ] && echo LoadState=loaded || echo LoadState=not-found ;;
    *ActiveState*) [ -s "$STATE/$unit.pid" ] && echo ActiveState=active || echo ActiveState=inactive ;;
    *MainPID*) echo "MainPID=$(cat "$STATE/$unit.pid" 2>/dev/null || echo 0)" ;;
    esac ;;
*restart*|*start*|*stop*)
    [ ! -s "$STATE/$unit.pid" ] || kill "$(cat "$STATE/$unit.pid")"
    rm -f "$STATE/$unit.pid"
    case "$*" in *start*) sleep 1000 >/dev/null 2>&1 & echo $! >"$STATE/$unit.pid" ;; esac ;;
esac
""",
    "pm2": """#!/bin/sh
case $1 in
pid) [ -e "$STATE/$2.unit" ] || { echo; exit; }; cat "$STATE/$2.pid" 2>/dev/null || echo 0 ;;
restart|stop)
    [ ! -s "$STATE/$2.pid" ] || kill "$(cat "$STATE/$2.pid")"
    rm -f "$STATE/$2.pid"
    [ $1 = stop ] || { sleep 1000 >/dev/null 2>&1 & echo $! >"$STATE/$2.pid"; } ;;
esac
""",
}


@pytest.fixture
def stand_in(host: Host, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Put the stand-ins on the script's path; gives the file that holds a worker's process id."""
    tools, state = tmp_path / "stand-ins", tmp_path / "state"
    tools.mkdir()
    state.mkdir()
    for name, text in STAND_IN.items():
        (tools / name).write_text(text.replace("$STATE", str(state)))
        (tools / name).chmod(0o755)
    (state / "shop.unit").touch()
    host.path = str(tools)
    yield lambda name: state / f"{name}.pid"
    for file in state.glob("*.pid"):
        subprocess.run(["kill", file.read_text().strip()], check=False)


@pytest.mark.parametrize("kind", ["systemd", "systemd(user)", "pm2"])
def test_systemd_units_and_pm2_programs_go_the_same_way(host: Host, stand_in: Callable[[str], Path], kind: str) -> None:
    """P1, P2, P8: as with supervisor. Their real programs can't be had in the lab."""
    host.services = f"{kind}: shop"
    pid = stand_in("shop")
    assert host.ok("stop") == [f"skipped={kind}: shop"], "it wasn't running"
    assert host.ok("start") == []
    begin = "start" if kind.startswith("systemd") else "restart"
    subprocess.run([f"{host.path}/{'systemctl' if begin == 'start' else 'pm2'}", begin, "shop"], check=True)
    host.switch("2")
    assert host.run("verify", "0").returncode == 1
    before = pid.read_text()
    host.ok("apply")
    assert pid.read_text() != before
    host.ok("verify", "0")
    host.ok("stop")
    assert not pid.exists()
    host.ok("start")
    assert pid.exists()
    host.services = f"{kind}: no-such"
    assert host.run("apply").returncode == 1
