"""Image models of our own; importing this loads no torch."""

from acme_vision.pebble.family import PebbleFamily

__all__ = ["PebbleFamily"]
