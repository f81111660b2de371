"""One module per system: observe and apply."""
