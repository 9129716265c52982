"""Model cards, where the weights lie on disk, how they get there, and how their files are read."""
