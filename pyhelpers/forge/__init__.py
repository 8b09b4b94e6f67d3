"""GitHub's API through PyGithub: incidents as issues, and the status of Deployments."""
