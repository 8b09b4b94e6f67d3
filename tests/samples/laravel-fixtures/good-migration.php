<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

/** Adds a column and a row: what a migration that succeeds leaves behind. */
return new class extends Migration
{
    public function up()
    {
        Schema::table('users', function (Blueprint $table) {
            $table->string('nickname')->nullable();
        });

        DB::table('users')->insert(['name' => 'Grace', 'email' => 'grace@example.org', 'nickname' => 'amazing']);
    }

    public function down()
    {
        DB::table('users')->where('email', 'grace@example.org')->delete();

        Schema::table('users', function (Blueprint $table) {
            $table->dropColumn('nickname');
        });
    }
};
