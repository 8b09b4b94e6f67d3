<?php

namespace App\Console;

use Illuminate\Console\Scheduling\Schedule;
use Illuminate\Foundation\Console\Kernel as ConsoleKernel;

class Kernel extends ConsoleKernel
{
    protected function schedule(Schedule $schedule)
    {
        $schedule->call(static function () {
            file_put_contents(storage_path('app/scheduled'), date('c'));
        })->name('tick')->everyMinute();
    }

    protected function commands()
    {
        require base_path('routes/console.php');
    }
}
