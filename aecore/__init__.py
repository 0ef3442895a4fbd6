"""Train, cache and compare autoencoder architectures."""


class AecoreError(Exception):
    """Something the person who asked can mend: one sentence that says what was wrong and what would be right."""
