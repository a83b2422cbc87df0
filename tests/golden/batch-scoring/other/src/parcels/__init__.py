"""Says each night which parcels may come late."""

__version__ = "0.1.0"
