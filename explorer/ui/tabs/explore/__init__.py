"""The first screen: one pair, explained."""
