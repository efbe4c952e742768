"""Dollars: what a share of a card costs, and bills that sum to the cent."""
