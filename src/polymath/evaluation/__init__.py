"""Suites, protocols, the evaluate function and its statistics."""
