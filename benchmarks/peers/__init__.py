"""What people use today for the same task, on the same faces and frames, beside the kit."""
