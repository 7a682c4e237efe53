"""What words state: values, sizes, packs, prices. Pure."""
