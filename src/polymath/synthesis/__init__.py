"""Samples that language models write: candidates, their gold by agreement, filters, skills, variants."""
