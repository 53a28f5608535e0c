"""The command `mc`: symmetries, alignment, paths and merges of checkpoints, without a program."""
