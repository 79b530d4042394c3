"""Plain data and pure decisions. No I/O library may be imported here (held by the import contract)."""
