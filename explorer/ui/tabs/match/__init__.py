"""The Match tab."""
