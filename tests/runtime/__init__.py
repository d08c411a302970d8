"""The shell: settings, processes, logs, the command line."""
