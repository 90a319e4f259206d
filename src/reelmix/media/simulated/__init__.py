"""The simulated micro-videos as real clips: what they look like, what they sound like, and the files."""
