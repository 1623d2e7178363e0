"""Encoders: the only rooms where torch, tensorflow and openvino are imported."""
