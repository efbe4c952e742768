"""The vocabulary: GPUs, profiles, models, engines, prices, loads and fleets, as frozen values.

No behaviour beyond validation and what follows from the fields alone.
"""
