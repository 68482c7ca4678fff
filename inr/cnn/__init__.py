"""Family `cnn`: a pyramid of integer latents, the context model that codes them, and a small synthesis."""
