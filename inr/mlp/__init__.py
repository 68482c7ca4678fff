"""Family `mlp`: one network from a pixel's place to its colour (the patent's Fig. 3)."""
