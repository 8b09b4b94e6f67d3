<?php
// SQLite by PHP's SQLite3 class, on a host that has neither the `sqlite3` client nor Python: the verbs of
// `sqlite_driver.sh`. Exit status 0 done, 1 failed.

declare(strict_types=1);

ini_set('display_errors', 'stderr');

const ORDINARY_TABLES = "SELECT name FROM sqlite_master"
    . " WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

/** Open a database; functions named by its own schema are not trusted, because a backup may be hostile. */
function open_database(string $file): SQLite3
{
    $database = new SQLite3($file);
    $database->enableExceptions(true);
    $database->busyTimeout((int) (getenv('BELAY_SQLITE_WAIT_MS') ?: '5000'));
    $database->exec('PRAGMA trusted_schema=OFF');

    return $database;
}

/** The first column of every row. */
function rows(SQLite3 $database, string $sql): array
{
    $values = [];
    $result = $database->query($sql);
    // A statement without columns was run by query(); fetching from it would run it again.
    while ($result->numColumns() > 0 && $row = $result->fetchArray(SQLITE3_NUM)) {
        if ($row[0] !== null) {
            $values[] = (string) $row[0];
        }
    }

    return $values;
}

/** `table<TAB>rows` of every ordinary table (a virtual one keeps its rows in ordinary ones). */
function counts(SQLite3 $database): array
{
    $lines = [];
    foreach (rows($database, ORDINARY_TABLES) as $name) {
        $count = $database->querySingle('SELECT count(*) FROM "' . str_replace('"', '""', $name) . '"');
        $lines[] = strtr($name, ['\\' => '\\\\', "\t" => '\\t', "\n" => '\\n', "\r" => '\\r']) . "\t" . $count;
    }

    return $lines;
}

/** Copy all pages in one step, which is one transaction on either side. */
function copy_database(SQLite3 $source, SQLite3 $target): void
{
    if (! $source->backup($target)) {
        throw new RuntimeException('the copy failed');
    }
}

try {
    [, $verb, $file, $argument] = array_pad($argv, 4, '');
    $database = open_database($file === '' ? ':memory:' : $file);
    $lines = [];
    if ($verb === 'version') {
        $lines = [SQLite3::version()['versionString']];
    } elseif ($verb === 'query') {
        $lines = rows($database, $argument);
    } elseif ($verb === 'counts') {
        $lines = counts($database);
    } elseif ($verb === 'save') {
        foreach (['', '-wal', '-shm', '-journal'] as $ending) {
            if (file_exists($argument . $ending)) {
                unlink($argument . $ending);
            }
        }
        copy_database($database, open_database($argument));
    } elseif ($verb === 'load') {
        copy_database(open_database($argument), $database);
    } else {
        throw new RuntimeException("no such verb: $verb");
    }
    foreach ($lines as $line) {
        echo $line, "\n";
    }
} catch (Throwable $problem) {
    fwrite(STDERR, 'Error: ' . $problem->getMessage() . "\n");
    exit(1);
}
