"""The command line: one typed command per job, one file per group of commands, one place that prints."""
