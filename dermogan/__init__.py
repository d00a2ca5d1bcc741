"""Learn to segment tissue from simulated priors, segment images, and measure the result."""
