"""What the app keeps of its visitors, and for how long."""
