<?php

// The judge of test_credentials.py: what phpdotenv and Laravel make of a .env. One request per line of stdin, as JSON with
// base64 texts: {"file": …, "environment": {NAME: …}}; one answer per line: the connection's settings, or null when PHP refuses.

require '/usr/share/php/Illuminate/autoload.php';

class Env extends Illuminate\Support\Env
{
    public static function from($repository): void
    {
        static::$repository = $repository;
    }
}

function answer(array $request): ?array
{
    $store = Dotenv\Repository\Adapter\ArrayAdapter::create()->get();
    foreach ($request['environment'] as $name => $value) {
        $store->write($name, base64_decode($value));
    }
    $repository = Dotenv\Repository\RepositoryBuilder::createWithNoAdapters()->addAdapter($store)->immutable()->make();
    $content = Dotenv\Util\Str::utf8(base64_decode($request['file']))->success()->get();
    (new Dotenv\Loader\Loader)->load($repository, (new Dotenv\Parser\Parser)->parse($content));
    Env::from($repository);

    $driver = Env::get('DB_CONNECTION');
    $ports = ['mysql' => '3306', 'pgsql' => '5432'];

    return (new Illuminate\Support\ConfigurationUrlParser)->parseConfiguration([
        'driver' => $driver,
        'url' => Env::get('DATABASE_URL'),
        'host' => Env::get('DB_HOST', '127.0.0.1'),
        'port' => Env::get('DB_PORT', $ports[$driver] ?? ''),
        'database' => Env::get('DB_DATABASE', 'forge'),
        'username' => Env::get('DB_USERNAME', 'forge'),
        'password' => Env::get('DB_PASSWORD', ''),
        'unix_socket' => Env::get('DB_SOCKET', ''),
    ]);
}

while (($line = fgets(STDIN)) !== false) {
    try {
        $settings = answer(json_decode($line, true));
        echo json_encode(array_map(static fn ($value) => base64_encode((string) $value), $settings)), "\n";
    } catch (Throwable $problem) {
        echo "null\n";
    }
}
