<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

/** Adds a column, then the server works for minutes on one statement: killing PHP doesn't end it. */
return new class extends Migration
{
    public $withinTransaction = false;

    public function up()
    {
        Schema::table('users', function (Blueprint $table) {
            $table->string('half')->nullable();
        });

        DB::statement(DB::getDriverName() === 'pgsql'
            ? 'UPDATE users SET half = pg_sleep(10)::text'
            : 'UPDATE users SET half = SLEEP(10)');
    }

    public function down()
    {
    }
};
