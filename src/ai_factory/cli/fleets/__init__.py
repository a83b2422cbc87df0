"""The commands below `ai-factory fleet`, a file each."""
