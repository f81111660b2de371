"""The lake: writer and client."""
