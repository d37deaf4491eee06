"""What can be checked of the firmware's files without a board: each finding one line, with what to do."""
