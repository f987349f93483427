"""Modeldeck: registry, provider adapters, routing, ledger and analytics behind one console."""

__version__ = "0.1.0"
