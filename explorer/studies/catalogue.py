"""Every study: importing this fills the registry, in the order of the paper and not of the alphabet."""

# isort: off
# isort: on
