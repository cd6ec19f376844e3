"""A small world, an agent and three tiny real language models, to run everything offline."""
