"""The action `restore-database`, run for real: as the example comes, confirmed, and with what another tool made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.contract.consumer import Consumer, errors
from tests.contract.interpreter import Step


def by_hand(consumer: Consumer, **inputs: object) -> Step:
    """Run the workflow "restore the database" as a person does who gives these inputs."""
    job = consumer.job(inputs={name.replace("_", "-"): value for name, value in inputs.items()})
    consumer.run(job, consumer.example("restore.yml"))
    return job.steps["restore"]


def test_the_example_only_looks_then_asks_for_the_name_then_restores(served: Consumer) -> None:
    """P9: the workflow's defaults prove and change nothing; nothing is restored until the environment is typed in."""
    assert served.run(served.job(), served.only("backup-before-migrate", path=str(served.app.base))) == "success"
    backed_up = served.app.state()
    served.app.write_notes(4)
    before = served.app.state()

    looked = by_hand(served)
    assert looked.outcome == "success", looked.log
    assert looked.outputs["restored"] == "false"
    assert int(str(looked.outputs["rows"])) > 0
    for confirm in ("", "staging"):
        refused = by_hand(served, verify_only=False, confirm=confirm)
        assert refused.outcome == "failure"
        assert "Type `environment: production` and `confirm: production`" in errors(refused)[0]
    counted = by_hand(served, verify_only=False, confirm="production")
    assert counted.outcome == "failure"
    assert counted.outputs["discarded-rows"] == "4"
    assert served.app.state() == before

    done = by_hand(served, verify_only=False, confirm="production", accept_loss="4")
    assert done.outcome == "success", done.log
    assert served.app.state() == backed_up
    assert served.app.answer()[0] == 200
    assert done.outputs["restored"] == "true"
    assert Path(str(done.outputs["attic"])).exists()


def test_a_copied_file_is_restored_by_the_same_action(served: Consumer, tmp_path: Path) -> None:
    """P3: what another tool made becomes a backup first."""
    old = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(old)) as link:
        link.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
        link.execute("INSERT INTO notes (body) VALUES ('of another tool')")
        link.commit()
    done = by_hand(served, verify_only=False, confirm="production", accept_loss="1000", backup_filename=str(old))
    assert done.outcome == "success", done.log
    assert any("of another tool" in line for line in served.app.state())
    assert "::warning title=Another schema" in done.log
