<?php

use Illuminate\Support\Facades\Artisan;

Artisan::command('jobs:push {kind : touch, sleep, leak or fail} {count=1} {argument=1}', function () {
    $job = 'App\\Jobs\\'.ucfirst($this->argument('kind')).'Job';
    foreach (range(1, (int) $this->argument('count')) as $_) {
        $job::dispatch($this->argument('argument'));
    }
})->purpose('Put jobs of one kind on the queue');
