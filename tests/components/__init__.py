"""Components against the real servers that they talk to."""
