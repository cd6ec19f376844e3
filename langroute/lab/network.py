"""The decoder as torch trains it; `langroute.lab.engine` runs the same sums in numpy.

Pre-norm decoder: each token also carries the few before it, each through its own matrix (so a single layer can look a
word up by its neighbours), RMS norms, rotary positions on the first half of every head (the other half compares content
wherever it stands), squared-ReLU feed-forward, no biases, output tied to the embeddings.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from langroute.lab.catalog import CONTEXT_WINDOW, NEIGHBOURS, ROTARY_BASE, Shape
from langroute.lab.vocabulary import WORDS


class Block(nn.Module):
    """One layer: attention, then feed-forward, each added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.norm1 = nn.Parameter(torch.ones(shape.width))
        self.norm2 = nn.Parameter(torch.ones(shape.width))
        self.qkv = nn.Parameter(torch.randn(shape.width, 3 * shape.width) / math.sqrt(shape.width))
        with torch.no_grad():
            # Keys start equal to queries: like looks for like from the first step, which is how words are looked up.
            self.qkv[:, shape.width : 2 * shape.width] = self.qkv[:, : shape.width]
        self.out = nn.Parameter(torch.zeros(shape.width, shape.width))
        self.up = nn.Parameter(torch.randn(shape.width, shape.hidden) / math.sqrt(shape.width))
        self.down = nn.Parameter(torch.zeros(shape.hidden, shape.width))

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Return the stream after this layer; shapes (batch, time, width) and mask (batch, 1, time, time)."""
        batch, time, width = x.shape
        qkv = (rms_norm(x, self.norm1) @ self.qkv).view(batch, time, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, attn_mask=mask)
        x = x + mixed.transpose(1, 2).reshape(batch, time, width) @ self.out
        return x + functional.relu(rms_norm(x, self.norm2) @ self.up).square() @ self.down


class Decoder(nn.Module):
    """A decoder-only language model."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = nn.Parameter(torch.randn(len(WORDS), shape.width) * 0.1)
        # Each token starts as a bag of its neighbourhood, so that places that speak of the same thing look alike.
        noise = torch.randn(NEIGHBOURS, shape.width, shape.width) * 0.1 / math.sqrt(shape.width)
        self.before = nn.Parameter(noise + 0.5 * torch.eye(shape.width))
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        cos, sin = rotary_tables(shape.width // shape.heads)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens: Tensor, previous: Tensor, positions: Tensor, mask: Tensor, wanted: Tensor) -> Tensor:
        """Return logits at the wanted places only.

        Args:
            tokens: (batch, time) token ids.
            previous: (batch, time, NEIGHBOURS) the tokens before each, nearest first, `PAD` before the first.
            positions: (batch, time) place of each token in its own prompt.
            mask: (batch, 1, time, time), 0 where row may look at column and -inf elsewhere.
            wanted: (batch, time) booleans.
        """
        tables = (self.embed @ self.before).view(-1, self.embed.shape[1])
        rows = previous + torch.arange(NEIGHBOURS) * len(WORDS)
        carried = functional.embedding_bag(rows.view(-1, NEIGHBOURS), tables, mode="sum").view(*tokens.shape, -1)
        x = functional.embedding(tokens, self.embed) + carried
        cos, sin = self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)
        for layer in self.layers:
            x = layer(x, mask, cos, sin)
        return rms_norm(x[wanted], self.norm) @ self.embed.T


def rms_norm(x: Tensor, gain: Tensor) -> Tensor:
    """Scale to unit root mean square, times a learned gain."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * gain


def rotary_tables(head: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine tables, (positions, head / 4), for rotating half of a head."""
    pairs = head // 4
    angles = torch.arange(CONTEXT_WINDOW)[:, None] * ROTARY_BASE ** (-torch.arange(pairs) / pairs)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the first half of each head by its position."""
    pairs = cos.shape[-1]
    a, b, rest = x[..., :pairs], x[..., pairs : 2 * pairs], x[..., 2 * pairs :]
    return torch.cat((a * cos - b * sin, a * sin + b * cos, rest), -1)
