"""Makes the sales forecast by product and region, with intervals and evidence for each figure."""

__version__ = "0.1.0"
