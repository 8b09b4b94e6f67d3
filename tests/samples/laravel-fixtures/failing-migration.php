<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

/** Fails halfway: the column and the row are there, then a table that doesn't exist is altered. */
return new class extends Migration
{
    public function up()
    {
        Schema::table('users', function (Blueprint $table) {
            $table->string('half')->nullable();
        });

        DB::table('users')->insert(['name' => 'Half', 'email' => 'half@example.org']);

        Schema::table('no_such_table', function (Blueprint $table) {
            $table->string('never');
        });
    }

    public function down()
    {
    }
};
