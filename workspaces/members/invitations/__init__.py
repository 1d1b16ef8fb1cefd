"""How people become members: they are invited by mail, and belong once they accept."""
