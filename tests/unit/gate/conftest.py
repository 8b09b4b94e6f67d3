"""Fixtures of the gate's tests."""

from __future__ import annotations

from tests.lab.php_repository import php_repository

__all__ = ["php_repository"]
