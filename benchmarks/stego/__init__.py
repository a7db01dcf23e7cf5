"""What benchmarks/stego_detection.py is made of."""
