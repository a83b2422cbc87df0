"""Answers questions on the policies of the firm, with citations, or says that it cannot."""

__version__ = "0.1.0"
