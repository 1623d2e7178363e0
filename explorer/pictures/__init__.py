"""What comes in: files and arrays read and checked, and the example pictures."""
