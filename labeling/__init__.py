"""The core of hardcase: values, arrays and tensors in and out. Only `labeling.adapters` does I/O."""
