"""What the device's search finds of the faces that YuNet finds in the whole picture at full size."""
