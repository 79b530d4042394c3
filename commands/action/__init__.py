"""What incidents ask for afterwards."""
