<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

/** Makes four tables, a second apart (SLOW_MIGRATION_SECONDS), so that it can be cut in the middle. */
return new class extends Migration
{
    public function up()
    {
        foreach (range(1, 4) as $number) {
            Schema::create('slow_'.$number, function (Blueprint $table) {
                $table->id();
            });
            sleep((int) (getenv('SLOW_MIGRATION_SECONDS') ?: 1));
        }
    }

    public function down()
    {
        foreach (range(1, 4) as $number) {
            Schema::dropIfExists('slow_'.$number);
        }
    }
};
