"""The commands below `ai-factory fleet`: a small file each, which loads what that command needs."""
