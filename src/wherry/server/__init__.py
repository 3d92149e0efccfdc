"""One server per home: its lock, socket and life, and the ASGI app that is composed of the parts asked for."""
