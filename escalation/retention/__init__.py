"""What is kept, for how long, and where it goes: exported first, and pruned only when the export was read back."""
