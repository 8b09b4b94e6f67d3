<?php

namespace App\Http;

use Illuminate\Foundation\Http\Kernel as HttpKernel;

class Kernel extends HttpKernel
{
    protected $middleware = [
        Middleware\PreventRequestsDuringMaintenance::class,
        \Illuminate\Foundation\Http\Middleware\ValidatePostSize::class,
    ];

    protected $middlewareGroups = [
        'web' => [\Illuminate\Routing\Middleware\SubstituteBindings::class],
        'api' => [\Illuminate\Routing\Middleware\SubstituteBindings::class],
    ];
}
