<?php

namespace App\Http\Controllers;

use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Queue;
use Throwable;

/** Tells which release answers and whether its database and queue do; 500 when the release is marked BROKEN. */
class HealthController
{
    public function __invoke()
    {
        $broken = is_file(base_path('BROKEN'));
        $report = ['release' => self::release(), 'database' => 'ok', 'ledger' => null, 'queue' => null];

        try {
            $report['ledger'] = DB::table('migrations')->count();
            $report['queue'] = Queue::size();
        } catch (Throwable $problem) {
            $report['database'] = get_class($problem);
        }

        $ok = ! $broken && $report['database'] === 'ok';

        return response()->json($report + ['status' => $ok ? 'ok' : 'failed'], $ok ? 200 : 500);
    }

    public static function release(): string
    {
        return is_file(base_path('RELEASE')) ? trim(file_get_contents(base_path('RELEASE'))) : 'none';
    }
}
