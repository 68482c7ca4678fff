"""The image that latents stand for on a card, and its gradients."""
