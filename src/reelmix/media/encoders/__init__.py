"""The encoders that come with reelmix: the paper's, and some whose weights are in an installable package."""
