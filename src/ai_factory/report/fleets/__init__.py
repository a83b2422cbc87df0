"""What commands over a fleet have found, in each format."""
