"""The networks: a shallow Inception-ResNet and an LSTM step whose state is an argument."""
