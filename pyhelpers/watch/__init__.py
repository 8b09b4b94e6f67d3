"""Whether the app is healthy, as seen from outside."""
