<!doctype html>
<title>Back soon</title>
<p>The shop is being looked after. Back in {{ $retryAfter ?? 'a few' }} seconds.</p>
