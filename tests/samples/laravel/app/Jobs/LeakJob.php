<?php

namespace App\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;

/** Keeps as many MiB as its argument says for the life of the worker. */
class LeakJob implements ShouldQueue
{
    use Dispatchable, InteractsWithQueue, Queueable;

    private static array $kept = [];

    private string $argument;

    public function __construct(string $argument)
    {
        $this->argument = $argument;
    }

    public function handle(): void
    {
        self::$kept[] = str_repeat("x", (int) $this->argument * 1024 * 1024);
    }
}
