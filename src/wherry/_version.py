"""The version, read by the build and by the server that greets a client of another version."""

__version__ = "0.1.0"
