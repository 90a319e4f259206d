"""Video files and texts in, features out: what the items of a dataset look, sound and read like."""
