<?php

namespace App\Http\Controllers;

class HomeController
{
    public function __invoke()
    {
        return response(view('home', ['release' => HealthController::release()]));
    }
}
