"""Dump, prove, load, swap, count: one sh script and one small module per engine, the same verbs in each.

The work is done on the host by the engine's own clients; no credential and no row passes through Python.
"""
