"""How preparing data, training and serving scale to 8, 64 and 512 GPUs: a calculation, run without a GPU."""
