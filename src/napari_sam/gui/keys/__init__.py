"""Keys: how they are written, who has them, which ones the user wants."""
