"""What services say to each other: events (what happened) and commands (a question with an answer).

One frozen, versioned model each. Within a version fields are only added, with defaults; a new shape is a new
model. A golden JSON per version stands under tests/contract/golden.
"""
