"""What a provider's `usage` object means: one canonical count, checked against the stated total, never clamped.

Where a provider's parts cannot agree with its total, or two shapes in one object with each other, nobody knows what was used:
the event is refused with the sentence that says so, and an operator decides. The same holds for a number that nobody knows.
"""
