"""What to believe: posteriors of lifts and shares, chance to win, expected loss, stopping by loss."""
