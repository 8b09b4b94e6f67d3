"""The guards that keep the promises, each with the edit that removes it and a test that has to fail then."""

from __future__ import annotations

from dataclasses import dataclass

FAILURES = "tests/chaos/test_failures.py"
KILLED = "tests/chaos/test_killed_runner.py"
CANCELLED = "tests/chaos/test_cancelled_job.py"
REBOOTED = "tests/chaos/test_rebooted_host.py"
TWO = "tests/chaos/test_two_deploys.py"
GUARDS = "tests/chaos/test_guards.py"
PERSON = "tests/chaos/test_persons_maintenance.py"
PIECES = "tests/chaos/test_pieces.py"
DOWNTIME = "tests/chaos/test_no_downtime.py"
SECRETS = "tests/chaos/test_secrets.py"
FLEET = "tests/chaos/test_fleet.py"
CALLS = "tests/chaos/test_every_system_call.py"
PARTS = "tests/chaos/test_killed_parts.py"
LINKS = "tests/chaos/test_bad_links.py"
HEALTH = "tests/chaos/test_lying_health.py"
NEIGHBOUR = "tests/chaos/test_neighbour.py"
AGENT = "tests/real/agent"
LOADED = "tests/real/deploy/test_loaded.py"
LIVE = "tests/real/deploy/test_live_backup.py"


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One guard: what it is, the text that is replaced in `file`, and the tests (a path, and words of -k) that notice."""

    guard: str
    file: str
    old: str
    new: str
    path: str
    words: str


MUTATIONS = (
    Mutation(
        guard="the host hands out the lock once",
        file="pyhelpers/hosts/agent.sh",
        old='                die 75 "$holder"\n                ;;\n            aborting',
        new="                conclude\n                ;;\n            aborting",
        path=TWO,
        words="one_wins and sqlite",
    ),
    Mutation(
        guard="a call with a stale epoch, or of a deploy that lost the host, is refused",
        file="pyhelpers/hosts/agent.sh",
        old='    for allowed in "$@"; do\n',
        new='    return 0\n    for allowed in "$@"; do\n',
        path=TWO,
        words="lease_is_refused and switch",
    ),
    Mutation(
        guard="a step that was started too late does not run (the fence in `op`)",
        file="pyhelpers/hosts/agent.sh",
        old='        echo 125 | store "$op/rc"\n        exit 0\n',
        new="        :\n",
        path=AGENT,
        words="",
    ),
    Mutation(
        guard="the undo is on disk before the step runs",
        file="pyhelpers/hosts/agent.sh",
        old='        if [ "$4" -gt 0 ]; then\n            head',
        new="        if false; then\n            head",
        path=FAILURES,
        words="halfway and plain",
    ),
    Mutation(
        guard="undos run in reverse order",
        file="pyhelpers/hosts/agent.sh",
        old="run_all undo -r",
        new="run_all undo -s",
        path=KILLED,
        words="plain and end-switch",
    ),
    Mutation(
        guard="running steps are stopped before anything is undone",
        file="pyhelpers/hosts/agent.sh",
        old="            if stop_steps all; then\n",
        new="            if true; then\n",
        path=KILLED,
        words="plain and start-migrate",
    ),
    Mutation(
        guard="a lease of another boot is over",
        file="pyhelpers/hosts/agent.sh",
        old='    [ "$where" = "$(boot)" ] && [ "$(now)" -lt "$deadline" ] && return 1\n',
        new='    [ "$(now)" -lt "$deadline" ] && return 1\n',
        path=REBOOTED,
        words="next_contact and start-migrate",
    ),
    Mutation(
        guard="the reaper acts when the lease is over",
        file="pyhelpers/hosts/agent.sh",
        old='                if expired "$d"; then sh "$self" "$base" reap || :; fi\n',
        new="                :\n",
        path=KILLED,
        words="plain and end-migrate",
    ),
    Mutation(
        guard="after precommit an expired lease keeps the new release",
        file="pyhelpers/hosts/agent.sh",
        old="        precommit) end=finishing ;;",
        new="        precommit) end=aborting ;;",
        path=KILLED,
        words="plain and end-up",
    ),
    Mutation(
        guard="what completes the deploy is on the host before precommit",
        file="pyhelpers/deploy/phases.py",
        old='        deploy.agent.register(deploy.token, "up", app.up_line())\n',
        new="",
        path=KILLED,
        words="plain and precommit",
    ),
    Mutation(
        guard="the runner's heartbeat keeps the lease",
        file="pyhelpers/deploy/heartbeat.py",
        old="                agent.renew(self._token)\n",
        new="",
        path=GUARDS,
        words="longer_than_the_lease",
    ),
    Mutation(
        guard="a backup is read back before a migration may start",
        file="pyhelpers/backups/create.py",
        old='    if facts_in(proof.output).get("verified") != "bytes":\n',
        new="    if False:\n",
        path="tests/real",
        words="backup or prove",
    ),
    Mutation(
        guard="the proof reads the payload",
        file="pyhelpers/databases/sqlite.sh",
        old='prove) prove "$1" "$2" "$3" ;;',
        new="prove) echo verified=bytes ;;",
        path=GUARDS,
        words="read_back and plain",
    ),
    Mutation(
        guard="no restore once visitors were let in",
        file="pyhelpers/databases/rollback.sh",
        old='elif [ -f "$BELAY_DEPLOY/live" ]; then',
        new="elif false; then",
        path=FAILURES,
        words="held and plain",
    ),
    Mutation(
        guard="the mark `live` is written before the door opens",
        file="pyhelpers/app/maintenance.sh",
        old='went_live() { [ -e "$BELAY_DEPLOY/live" ]',
        new='went_live() { true; }\nwent_live_never() { [ -e "$BELAY_DEPLOY/live" ]',
        path=FAILURES,
        words="held and plain",
    ),
    Mutation(
        guard="no restore where there was no maintenance",
        file="pyhelpers/databases/rollback.sh",
        old='elif [ ! -f "$BELAY_DEPLOY/held-down" ]; then',
        new="elif false; then",
        path=GUARDS,
        words="never_restored",
    ),
    Mutation(
        guard="no restore when somebody lifted the maintenance meanwhile",
        file="pyhelpers/databases/rollback.sh",
        old='elif [ $# -gt 0 ] && ! sh "$@" >&2; then',
        new="elif false; then",
        path=GUARDS,
        words="visitors_wrote",
    ),
    Mutation(
        guard="a schema and a ledger as before need no restore, and no person",
        file="pyhelpers/databases/rollback.sh",
        old="    if as_before; then\n",
        new="    if false; then\n",
        path=GUARDS,
        words="needs_no_person",
    ),
    Mutation(
        guard="what a killed migration left running on the server is stopped before the restore",
        file="pyhelpers/databases/rollback.sh",
        old='sh "$here/$engine" stop-sql "$conn"\n',
        new="",
        path=GUARDS,
        words="left_running and mariadb",
    ),
    Mutation(
        guard="a person's maintenance is a person's to lift",
        file="pyhelpers/app/maintenance.sh",
        old='        if [ "$was" = down ]; then give_back; else remove_ours; fi\n',
        new="        remove_ours\n",
        path=PERSON,
        words="good_deploy and postgresql",
    ),
    Mutation(
        guard="a person's page is not taken for the new release's answer",
        file="pyhelpers/deploy/phases.py",
        old='    if facts_in(end.output).get("state") != "down":\n',
        new="    if True:\n",
        path=PERSON,
        words="good_deploy and postgresql",
    ),
    Mutation(
        guard="an app that is down already is looked at behind its page",
        file="pyhelpers/deploy/policy.py",
        old=' or choice.layout == "in-place" or facts.down\n',
        new=' or choice.layout == "in-place"\n',
        path=PERSON,
        words="good_deploy and mariadb and not good-good",
    ),
    Mutation(
        guard="the answer has to come from the new release",
        file="pyhelpers/deploy/phases.py",
        old="probe(health.for_release(work.release), ",
        new="probe(health, ",
        path=GUARDS,
        words="old_release",
    ),
    Mutation(
        guard="the release is switched by one rename",
        file="pyhelpers/app/releases.sh",
        old="    mv -f -T .current.belay current ||",
        new="    rm -f current; sleep 0.3; mv -f -T .current.belay current ||",
        path=DOWNTIME,
        words="good",
    ),
    Mutation(
        guard="a signal becomes an abort",
        file="pyhelpers/deploy/cancellation.py",
        old="        signal.signal(number, cancellation.handle)\n",
        new="        pass\n",
        path=CANCELLED,
        words="plain and start-migrate",
    ),
    Mutation(
        guard="a cancelled job keeps a release that visitors have",
        file="pyhelpers/deploy/transaction.py",
        old="        if self.committed and not",
        new="        if False and not",
        path=CANCELLED,
        words="plain and end-up",
    ),
    Mutation(
        guard="a runner that outlives its host's reboot asks the host to settle",
        file="pyhelpers/hosts/agent.py",
        old="            if status.abandoned and",
        new="            if False and",
        path=REBOOTED,
        words="outlives and postgresql",
    ),
    Mutation(
        guard="a backup in a deploy of pieces leaves the database's way back",
        file="pyhelpers/deploy/piecewise.py",
        old="    if first:\n",
        new="    if False:\n",
        path=PIECES,
        words="two_pieces and mariadb-4",
    ),
    Mutation(
        guard="the workers are stopped, and started in the code that serves",
        file="pyhelpers/deploy/phases.py",
        old='        deploy.run("writers", "Stop the workers", command=app.stop_writers_line(), undo=app.start_writers_line())\n',
        new='        deploy.run("writers", "Stop the workers", command=app.stop_writers_line())\n',
        path=FAILURES,
        words="halfway and mariadb",
    ),
    Mutation(
        guard="nothing that is secret goes into the host's history",
        file="pyhelpers/deploy/deploy.py",
        old='"environment": settings.environment,',
        new='"environment": settings.secret,',
        path=SECRETS,
        words="deploy_runs and mariadb-good",
    ),
    Mutation(
        guard="a backup made while the app served is taken only where nothing was written since",
        file="pyhelpers/deploy/policy.py",
        old="    if before != after:\n",
        new="    if False:\n",
        path=LIVE,
        words="survives_the_rollback and delete",
    ),
    Mutation(
        guard="a database that can't tell is backed up behind the door",
        file="pyhelpers/deploy/backup_phases.py",
        old="    if not _mark(database):\n",
        new="    if False:\n",
        path=LIVE,
        words="cannot_tell",
    ),
    Mutation(
        guard="a backup is loaded only if the engine says so",
        file="pyhelpers/backups/create.py",
        old='    if facts.get("loaded") != "yes":\n',
        new="    if False:\n",
        path=LOADED,
        words="no_proof and silent",
    ),
    Mutation(
        guard="the copy that proved a backup goes on the way back",
        file="pyhelpers/backups/create.py",
        old="        undo=database.unload_undo_line(work),\n",
        new="",
        path="tests/chaos/test_killed_live_backup.py",
        words="dies_around_a_live and plain-end-load",
    ),
    Mutation(
        guard="the copy of the good deploy before goes",
        file="pyhelpers/deploy/tidy.sh",
        old='if [ "$twins" = all ] || old "$twin"; then drop_twin',
        new='if old "$twin"; then drop_twin',
        path=LOADED,
        words="lets_the_twin_before_go",
    ),
    Mutation(
        guard="the copy of one backup never stands in for another",
        file="pyhelpers/databases/twin.sh",
        old='    if is_another "$1" "$3"; then drop',
        new="    if false; then drop",
        path="tests/real/databases/test_twin.py",
        words="another",
    ),
    Mutation(
        guard="an account that can hold no second copy is refused before anything is down",
        file="pyhelpers/deploy/deploy.py",
        old="        backup_phases.check_twin(database)\n",
        new="        pass\n",
        path="tests/real/deploy/test_loaded_laravel.py",
        words="no_copy",
    ),
    Mutation(
        guard="a follower lets nobody in before the leader has put the database back",
        file="pyhelpers/deploy/fleet_barrier.py",
        old='        work.deploy.leave_undo(WAIT, _line(fleet, work, work.shared, "back"))\n',
        new="        pass\n",
        path=FLEET,
        words="before_the_leader and mariadb and not soak",
    ),
    Mutation(
        guard="a host that had precommitted goes back with a leader that had not",
        file="pyhelpers/databases/barrier.sh",
        old='        exit "$BACK"\n',
        new="        exit 0\n",
        path=FLEET,
        words="two_precommits and postgresql-1-precommit",
    ),
    Mutation(
        guard="each host of a fleet is asked by itself",
        file="pyhelpers/deploy/phases.py",
        old="_ask(work, health.at(work.address), secret",
        new="_ask(work, health, secret",
        path=FLEET,
        words="not_healthy and mariadb-good",
    ),
    Mutation(
        guard="a fleet's hosts are seen to share their database",
        file="pyhelpers/deploy/fleet_barrier.py",
        old="    fleet.each(lambda work: _see(fleet, work), fleet.followers)\n",
        new="",
        path=FLEET,
        words="another_database",
    ),
    Mutation(
        guard="the hosts that were taken before one refused are given back",
        file="pyhelpers/deploy/fleet.py",
        old="            _give_back(taken, error)\n",
        new="",
        path=FLEET,
        words="one_locked",
    ),
    Mutation(
        guard="what counts after a power cut is flushed before it counts (fsync)",
        file="pyhelpers/hosts/agent.sh",
        old='flush() { sync "$1" 2>/dev/null || sync; }',
        new="flush() { :; }",
        path=CALLS,
        words="some_of_its_changes and (precommit or register)",
    ),
    Mutation(
        guard="a file of the state is renamed into its place, whole or not at all",
        file="pyhelpers/hosts/agent.sh",
        old='    cat >"$1.new.$$" && flush "$1.new.$$" && mv -f "$1.new.$$" "$1" && flush "${1%/*}"\n',
        new='    cat >"$1" && flush "$1"\n',
        path=CALLS,
        words="any_of_its_changes and before and (precommit or confirm)",
    ),
    Mutation(
        guard="an old epoch is refused (the fencing check itself)",
        file="pyhelpers/hosts/agent.sh",
        old='    if [ "$(value "$d/epoch")" != "$token" ] || [ "$(value "$state/epoch")" != "$token" ]; then\n',
        new="    if false; then\n",
        path=AGENT,
        words="epoch",
    ),
    Mutation(
        guard="the lease is renewed by the host when the heartbeat comes",
        file="pyhelpers/hosts/agent.sh",
        old='    mv -f "$d/lease.new.$$" "$d/lease"\n',
        new='    rm -f "$d/lease.new.$$"\n',
        path=GUARDS,
        words="longer_than_the_lease",
    ),
    Mutation(
        guard="a step that something on the host killed is undone at once",
        file="pyhelpers/hosts/follow.py",
        old="    if status.holder == token.deployment and not status.over:\n",
        new="    if False:\n",
        path=PARTS,
        words="step_whose_process and plain",
    ),
    Mutation(
        guard="what only looks is asked again over a new link",
        file="pyhelpers/hosts/agent.py",
        old="        return self._link.repeated(lambda: self.host.run(argv, stdin=stdin, timeout=timeout))\n",
        new="        return self.host.run(argv, stdin=stdin, timeout=timeout)\n",
        path=LINKS,
        words="only_looks",
    ),
    Mutation(
        guard="health has to be told twice in a row",
        file="pyhelpers/watch/health.py",
        old="        streak = streak + 1 if answer.healthy else 0\n",
        new="        streak = 2 if answer.healthy else 0\n",
        path=HEALTH,
        words="can_not_be_told and flaps",
    ),
    Mutation(
        guard="state, backups and journal are closed to every other user",
        file="pyhelpers/hosts/agent.sh",
        old='    chmod 700 "$state" || die 78 "can\'t write to $state"\n',
        new='    chmod 755 "$state" || die 78 "can\'t write to $state"\n',
        path=NEIGHBOUR,
        words="is_not_obeyed and mariadb",
    ),
    Mutation(
        guard="a link that is torn while we hang up is no error",
        file="pyhelpers/hosts/link.py",
        old="                with suppress(EOFError, OSError, paramiko.SSHException):\n                    channel.close()\n",
        new="                channel.close()\n",
        path=LINKS,
        words="hang_up",
    ),
)
