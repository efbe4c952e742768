"""The kubectl plugin: ``kubectl rightslice status``, ``explain`` and ``whatif``."""
