"""What the method's settings do, measured: sweeps around the current settings."""
