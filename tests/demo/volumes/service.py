"""Volumes: what machines may ask for."""

from demo.volumes.sagas import create_volume, delete_volume
from demo.volumes.store import find

__all__ = ["create_volume", "delete_volume", "find"]
