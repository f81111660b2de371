"""The embedded platform: real servers as supervised processes on loopback."""
