"""Pipelines: the pure engine, the driver that carries out what it decides, caching, and the service over both."""
