"""Runbooks: Markdown that people can read on their own, and the manager that walks a person through it."""
