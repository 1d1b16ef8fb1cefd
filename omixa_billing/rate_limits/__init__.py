"""How much one caller may ask for, counted where all processes see it."""
