"""What happens before anything is installed: standard library only, called by `run` when an environment is missing."""
