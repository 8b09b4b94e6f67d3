<?php

// Router for PHP's own web server: files of public/ are served as they are, everything else goes to the app.
$path = urldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?? '/');

if ($path !== '/' && is_file(__DIR__.'/public'.$path)) {
    return false;
}

require_once __DIR__.'/public/index.php';
