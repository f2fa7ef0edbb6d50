"""Advantages, losses, the update, checkpoints, interruption: everything of training but the loop."""
