"""PHPStan as a merge gate: run it, believe it only when it can be believed, and see the ways around it."""
