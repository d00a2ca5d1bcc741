"""Every method on the same images: frozen simulated ones, and folders of real ones."""
