<?php

namespace App\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;

/** Leaves a file named after the job in storage/app. */
class TouchJob implements ShouldQueue
{
    use Dispatchable, InteractsWithQueue, Queueable;


    private string $argument;

    public function __construct(string $argument)
    {
        $this->argument = $argument;
    }

    public function handle(): void
    {
        touch(storage_path('app/touched-'.$this->argument));
    }
}
