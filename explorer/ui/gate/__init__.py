"""What stands between strangers and the app: every request is judged here."""
