"""What each step from the float network to a device costs: agreement, difference to the step before, time and size."""
