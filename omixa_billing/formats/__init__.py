"""How times are written wherever a page does not say: Django looks here by language."""
