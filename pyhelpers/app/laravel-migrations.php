<?php

// Prints what `artisan migrate` of this release would look at, without a connection to the database:
// table= the ledger's table (with the connection's prefix), schema_dump=yes|no, file=NAME for each migration, in order.
// Packages may register folders of their own, so only the booted app knows them all. The last line is complete=yes.

$folder = $argv[1];

require $folder.'/vendor/autoload.php';

$app = require $folder.'/bootstrap/app.php';
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();

$config = $app['config'];
$connection = $config['database.default'];

// A string until Laravel 10, an array with more settings since 11.
$table = $config['database.migrations'];
$table = is_array($table) ? $table['table'] : $table;

$migrator = $app['migrator'];
$files = $migrator->getMigrationFiles(array_merge($migrator->paths(), [$app->databasePath().'/migrations']));

echo 'table=', $config["database.connections.$connection.prefix"] ?? '', $table, "\n";
echo 'schema_dump=', glob($app->databasePath()."/schema/$connection-schema.*") ? 'yes' : 'no', "\n";

foreach (array_keys($files) as $name) {
    echo "file=$name\n";
}

echo "complete=yes\n";
