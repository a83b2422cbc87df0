"""What the authors of a factory do with it. Above `project` and the catalogue; nothing below imports it."""
