"""The command line: one file a command, a thin face on the library."""
