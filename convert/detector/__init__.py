"""YuNet, the device's face detector, from its published ONNX file to the int8 graph that is shipped."""
