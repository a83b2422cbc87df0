"""Says how many spare parts are needed where, and how sure that is."""

__version__ = "0.1.0"
