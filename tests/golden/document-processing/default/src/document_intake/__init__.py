"""Reads invoices and insurance claims into fields, with a person behind each doubtful one."""

__version__ = "0.1.0"
