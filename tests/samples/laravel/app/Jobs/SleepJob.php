<?php

namespace App\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;

/** Takes as many seconds as its argument says. */
class SleepJob implements ShouldQueue
{
    use Dispatchable, InteractsWithQueue, Queueable;


    private string $argument;

    public function __construct(string $argument)
    {
        $this->argument = $argument;
    }

    public function handle(): void
    {
        sleep((int) $this->argument);
    }
}
