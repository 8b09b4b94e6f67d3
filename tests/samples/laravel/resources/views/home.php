<!doctype html>
<title>Sample shop</title>
<?php /* Not Blade: this Laravel writes a compiled view in place, so whoever asks in that moment gets an empty page. */ ?>
<p>Release <?= e($release) ?></p>
