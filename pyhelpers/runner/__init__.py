"""The runner room: what a step sees of GitHub's runner, and how it speaks to it. Off GitHub the same code prints plain text."""
