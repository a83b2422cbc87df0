"""Documents from strangers: read within bounds, kept as long as needed, and named by tokens.

Import from the modules: the process that reads files shall load no more than it needs.
"""
