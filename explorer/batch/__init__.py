"""Many pictures, each probed once and ranked against all that it is compared with, here or on a cluster."""
