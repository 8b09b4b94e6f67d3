<!doctype html>
<title>Sample shop</title>
<p>Release {{ $release }}</p>
