"""Belay: deploys of PHP apps that put themselves back when they slip."""

__version__ = "1.0.0"
