"""Where the app lives: this machine or one reached by ssh, and the agent that runs there."""
