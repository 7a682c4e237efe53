"""The model: tensors in, predictions out. Light on import: nothing is loaded until a submodule asks for it."""
