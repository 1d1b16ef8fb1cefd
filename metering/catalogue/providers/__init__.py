"""What providers charge us: its table, and how a card is set."""
