<?php

// Laravel's maintenance mode (8 to 13), as the app itself knows it. maintenance.sh asks; it alone writes the flag file.
//
//   php laravel-maintenance.php state    APPDIR FILE                     driver=, active=, storage=; the payload goes to FILE
//   php laravel-maintenance.php payload  APPDIR FILE SECRETFILE DEPLOYMENT BASE RETRY REFRESH RENDER REDIRECT STATUS
//                                        the payload goes to FILE, Laravel's stub of maintenance.php to FILE.stub
//   php laravel-maintenance.php enabled  APPDIR FILE                     tells the app (its cache and listeners) what the flag says
//   php laravel-maintenance.php disabled APPDIR DEPLOYMENT               the same for the end
//
// The payload is what `artisan down` would write, plus our name in it. BASE, if not empty, is a payload to keep but for the secret.

use Illuminate\Foundation\Console\DownCommand;
use Illuminate\Foundation\Events\MaintenanceModeDisabled;
use Illuminate\Foundation\Events\MaintenanceModeEnabled;
use Illuminate\Foundation\Exceptions\RegisterErrorViewPaths;

[, $verb, $folder] = $argv;

require $folder.'/vendor/autoload.php';

$app = require $folder.'/bootstrap/app.php';
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();

// Laravel 8 knows the flag file only; later versions have drivers.
$mode = method_exists($app, 'maintenanceMode') ? $app->maintenanceMode() : null;
$driver = $mode ? $app['config']->get('app.maintenance.driver', 'file') : 'file';
$flag = $app->storagePath().'/framework/down';

function excluded($app): array
{
    foreach (['App', 'Illuminate\\Foundation'] as $root) {
        try {
            return $app->make($root.'\\Http\\Middleware\\PreventRequestsDuringMaintenance')->getExcludedPaths();
        } catch (Throwable $problem) {
            // this version keeps the list in the other class
        }
    }

    return [];
}

function rendered(string $view, ?int $retry): string
{
    (new RegisterErrorViewPaths)();

    return view($view, ['retryAfter' => $retry])->render();
}

function announce($app, string $event): void
{
    $app['events']->dispatch(new $event);
}

if ($verb === 'state') {
    $data = $driver === 'file' || ! $mode->active() ? null : $mode->data();
    echo "driver=$driver\n", 'active=', $data === null ? 'no' : 'yes', "\n", 'storage=', $app->storagePath(), "\n";
    file_put_contents($argv[3], $data === null ? '' : json_encode($data, JSON_PRETTY_PRINT | JSON_THROW_ON_ERROR));
}

if ($verb === 'payload') {
    [, , , $file, $secretFile, $deployment, $base, $retry, $refresh, $view, $redirect, $status] = $argv;
    $retry = $retry === '' ? null : (int) $retry;
    $payload = $base !== '' ? json_decode(file_get_contents($base), true, 512, JSON_THROW_ON_ERROR) : [
        'except' => excluded($app),
        'redirect' => $redirect === '' ? null : $redirect,
        'retry' => $retry,
        'refresh' => $refresh === '' ? null : $refresh,
        'secret' => null,
        'status' => $status === '' ? 503 : (int) $status,
        'template' => rendered($view, $retry),
    ];
    $payload['template'] ??= rendered($view, $retry);
    $payload['secret'] = $secretFile === '' ? null : trim(file_get_contents($secretFile));
    $payload['belay'] = $deployment;
    $payload['since'] = time();
    file_put_contents($file, json_encode($payload, JSON_PRETTY_PRINT | JSON_THROW_ON_ERROR)."\n");
    copy(dirname((new ReflectionClass(DownCommand::class))->getFileName()).'/stubs/maintenance-mode.stub', $file.'.stub');
}

if ($verb === 'enabled') {
    if ($driver !== 'file') {
        $mode->activate(json_decode(file_get_contents($argv[3]), true, 512, JSON_THROW_ON_ERROR));
    }
    announce($app, MaintenanceModeEnabled::class);
}

if ($verb === 'disabled') {
    if ($driver !== 'file' && $mode->active() && ($mode->data()['belay'] ?? null) === $argv[3]) {
        $mode->deactivate();
    }
    announce($app, MaintenanceModeDisabled::class);
}

echo "complete=yes\n";
