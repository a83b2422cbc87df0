"""What the histories of a fleet tell: measures of scaling, and edits that many teams make alike."""
