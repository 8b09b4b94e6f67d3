"""Backups over their whole life: made and proven, listed, kept, let go."""
