"""The process: one door for every request, one engine for everything that takes time."""
