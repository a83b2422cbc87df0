"""Records and watches what claims router decides, and holds its documents."""

__version__ = "0.1.0"
