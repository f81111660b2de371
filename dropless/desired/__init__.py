"""What must exist for a contract, as pure functions."""
