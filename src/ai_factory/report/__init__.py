"""Values to text and JSON; one escaping function a format, nothing is printed or decided here."""
