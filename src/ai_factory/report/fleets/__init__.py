"""What was asked of a whole fleet, as text and for machines: one module a question."""
