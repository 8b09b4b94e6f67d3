<?php

// Stands in for Laravel's own maintenance.php when the framework can't be found (Laravel 8 to 13 read the same "down" file).
// public/index.php requires it before the autoloader, so visitors get their 503 even when vendor/ is broken.

if (! is_file(__DIR__.'/down')) {
    return;
}

$belay = json_decode((string) file_get_contents(__DIR__.'/down'), true) ?: [];

// Whoever knows the secret goes on into the app, which sets and checks the cookie.
if (isset($belay['secret'])) {
    // `Cookie: laravel_maintenance[]=x` makes an array of it.
    $cookie = $_COOKIE['laravel_maintenance'] ?? '';
    $cookie = is_string($cookie) ? json_decode((string) base64_decode($cookie, true), true) : null;
    $expires = is_array($cookie) ? ($cookie['expires_at'] ?? 0) : 0;
    $proof = is_array($cookie) && is_string($cookie['mac'] ?? null) ? $cookie['mac'] : '';
    if ($_SERVER['REQUEST_URI'] === '/'.$belay['secret']
        || (is_int($expires) && $expires >= time() && hash_equals(hash_hmac('sha256', (string) $expires, $belay['secret']), $proof))) {
        return;
    }
}

http_response_code($belay['status'] ?? 503);

if (isset($belay['retry'])) {
    header('Retry-After: '.$belay['retry']);
}
if (isset($belay['refresh'])) {
    header('Refresh: '.$belay['refresh']);
}

echo $belay['template'] ?? 'Service Unavailable';

exit;
