<?php

// Prints where a Laravel app (8 to 13) would connect to: its configuration is loaded, no provider, no connection.
// Never the password. Argument: the app's folder. The last line is complete=yes; without it the answer is void.

$folder = rtrim($argv[1], '/');

require $folder.'/vendor/autoload.php';

$app = require $folder.'/bootstrap/app.php';
$app->bootstrapWith([
    Illuminate\Foundation\Bootstrap\LoadEnvironmentVariables::class,
    Illuminate\Foundation\Bootstrap\LoadConfiguration::class,
]);

$name = $app['config']['database.default'];
$settings = (new Illuminate\Support\ConfigurationUrlParser)->parseConfiguration($app['config']["database.connections.$name"] ?? []);

// With separate servers for reading and writing, migrations go to the one for writing.
$settings = array_merge($settings, $settings['write'] ?? []);
$ports = ['mysql' => 3306, 'mariadb' => 3306, 'pgsql' => 5432];
$driver = $settings['driver'] ?? '';
$answer = [
    'driver' => $driver,
    'database' => $settings['database'] ?? '',
    'user' => $settings['username'] ?? '',
    'host' => $settings['host'] ?? '',
    'port' => ($settings['port'] ?? '') ?: ($ports[$driver] ?? ''),
    'socket' => $settings['unix_socket'] ?? '',
];

foreach ($answer as $key => $value) {
    if (is_array($value)) {
        $value = count($value) === 1 ? reset($value) : '(several)';
    }
    if (preg_match('/[\x00-\x1f\x7f]/', $value)) {
        $value = '(unprintable)';
    }
    if ($key === 'host') {
        $value = preg_replace('/^\[(.*)\]$/', '$1', $value);
    }
    echo "$key=$value\n";
}

echo "complete=yes\n";
