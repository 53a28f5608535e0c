"""Families of networks at any size, as plain modules: GPT, LLaMA, BERT, ViT and ResNet."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Sizes:
    width: int = 8
    heads: int = 2
    groups: int = 1  # of key and value heads
    head: int = 4
    value: int = 3
    hidden: int = 7
    vocabulary: int = 11
    positions: int = 5
    blocks: int = 2


class Attention(nn.Module):
    """Queries, keys and values, each head with its own; grouped where s.groups < s.heads."""

    def __init__(self, s: Sizes, bias=True, causal=True, kv=None, rotary=False, norm=False):
        super().__init__()
        self.s, self.causal, self.kv = s, causal, kv or s.heads
        self.q = nn.Linear(s.width, s.heads * s.head, bias)
        self.k = nn.Linear(s.width, self.kv * s.head, bias)
        self.v = nn.Linear(s.width, self.kv * s.value, bias)
        self.o = nn.Linear(s.heads * s.value, s.width, bias and not rotary)
        self.q_norm, self.k_norm = (RMSNorm(s.head) if norm else nn.Identity() for _ in range(2))
        self.rotary = rotary

    def forward(self, x: Tensor) -> Tensor:
        b, t, _ = x.shape
        q = self.q_norm(self.q(x).view(b, t, self.s.heads, -1)).transpose(1, 2)
        k = self.k_norm(self.k(x).view(b, t, self.kv, -1)).transpose(1, 2)
        v = self.v(x).view(b, t, self.kv, -1).transpose(1, 2)
        if self.rotary:
            q, k = (rotate(y, self.rotary) for y in (q, k))
        k, v = (repeated(y, self.s.heads // self.kv) for y in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.o(y.transpose(1, 2).reshape(b, t, -1))


def repeated(x: Tensor, r: int) -> Tensor:
    b, h, t, d = x.shape
    return x[:, :, None].expand(b, h, r, t, d).reshape(b, h * r, t, d)


def rotate(x: Tensor, layout: str) -> Tensor:
    n = x.shape[-1]
    frequency = 1.0 / 10 ** (torch.arange(n // 2, dtype=x.dtype) / n)
    angle = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] * frequency
    if layout == "half":
        cos, sin = (torch.cat([f, f], -1) for f in (angle.cos(), angle.sin()))
        low, high = x[..., : n // 2], x[..., n // 2 :]
        return x * cos + torch.cat([-high, low], -1) * sin
    cos, sin = (f.repeat_interleave(2, -1) for f in (angle.cos(), angle.sin()))
    turned = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
    return x * cos + turned * sin


class RMSNorm(nn.Module):
    def __init__(self, n: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-2))


class GPTBlock(nn.Module):
    def __init__(self, s: Sizes, bias: bool, activation):
        super().__init__()
        self.n1, self.n2 = (nn.LayerNorm(s.width, 1e-2, bias=bias) for _ in range(2))
        self.attention = Attention(s, bias)
        self.up, self.down = nn.Linear(s.width, s.hidden, bias), nn.Linear(s.hidden, s.width, bias)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.n1(x))
        return x + self.down(self.activation(self.up(self.n2(x))))


class GPT(nn.Module):
    def __init__(self, s: Sizes, tied=False, bias=True, activation=F.gelu):
        super().__init__()
        self.tokens = nn.Embedding(s.vocabulary, s.width)
        self.positions = nn.Embedding(s.positions, s.width)
        self.blocks = nn.ModuleList(GPTBlock(s, bias, activation) for _ in range(s.blocks))
        self.norm = nn.LayerNorm(s.width, 1e-2, bias=bias)
        self.head = nn.Linear(s.width, s.vocabulary, bias=False)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class LLaMABlock(nn.Module):
    def __init__(self, s: Sizes, bias: bool, layout: str, norm: bool):
        super().__init__()
        self.n1, self.n2 = RMSNorm(s.width), RMSNorm(s.width)
        self.attention = Attention(s, bias, kv=s.groups, rotary=layout, norm=norm)
        self.gate, self.up = (nn.Linear(s.width, s.hidden, False) for _ in range(2))
        self.down = nn.Linear(s.hidden, s.width, False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.n1(x))
        y = self.n2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class LLaMA(nn.Module):
    def __init__(self, s: Sizes, tied=False, bias=False, layout="half", norm=False):
        super().__init__()
        self.tokens = nn.Embedding(s.vocabulary, s.width)
        self.blocks = nn.ModuleList(LLaMABlock(s, bias, layout, norm) for _ in range(s.blocks))
        self.norm = RMSNorm(s.width)
        self.head = nn.Linear(s.width, s.vocabulary, bias=False)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class BERTBlock(nn.Module):
    def __init__(self, s: Sizes):
        super().__init__()
        self.attention = Attention(s, causal=False)
        self.n1, self.n2 = (nn.LayerNorm(s.width, 1e-2) for _ in range(2))
        self.up, self.down = nn.Linear(s.width, s.hidden), nn.Linear(s.hidden, s.width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.n1(x + self.attention(x))
        return self.n2(x + self.down(F.gelu(self.up(x))))


class BERT(nn.Module):
    def __init__(self, s: Sizes, tied=False):
        super().__init__()
        self.tokens = nn.Embedding(s.vocabulary, s.width)
        self.positions = nn.Embedding(s.positions, s.width)
        self.norm = nn.LayerNorm(s.width, 1e-2)
        self.blocks = nn.ModuleList(BERTBlock(s) for _ in range(s.blocks))
        self.head = nn.Linear(s.width, s.vocabulary)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.norm(self.tokens(ids) + self.positions(torch.arange(ids.shape[1])))
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class ViT(nn.Module):
    """Patches by a convolution, a class token, pre-LN blocks, the class token read at the end."""

    def __init__(self, s: Sizes):
        super().__init__()
        self.patches = nn.Conv2d(3, s.width, 2, stride=2)
        self.token = nn.Parameter(torch.randn(1, 1, s.width))
        self.positions = nn.Parameter(torch.randn(1, s.positions, s.width))
        self.blocks = nn.ModuleList(GPTBlock(s, True, F.gelu) for _ in range(s.blocks))
        for block in self.blocks:
            block.attention.causal = False
        self.norm = nn.LayerNorm(s.width, 1e-2)
        self.head = nn.Linear(s.width, s.vocabulary)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class BasicBlock(nn.Module):
    def __init__(self, n: int, m: int, stride: int):
        super().__init__()
        self.c1 = nn.Conv2d(n, m, 3, stride, 1, bias=False)
        self.c2 = nn.Conv2d(m, m, 3, 1, 1, bias=False)
        self.b1, self.b2 = nn.BatchNorm2d(m), nn.BatchNorm2d(m)
        self.relu = nn.ReLU(inplace=True)
        down = nn.Sequential(nn.Conv2d(n, m, 1, stride, bias=False), nn.BatchNorm2d(m))
        self.down = down if stride > 1 or n != m else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.b2(self.c2(self.relu(self.b1(self.c1(x)))))
        y += x if self.down is None else self.down(x)
        return self.relu(y)


class ResNet(nn.Module):
    def __init__(self, widths=(4, 8), blocks=2, classes=5):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.norm, self.relu = nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
        stages, n = [], widths[0]
        for i, m in enumerate(widths):
            for j in range(blocks):
                stages.append(BasicBlock(n, m, 2 if i > 0 and j == 0 else 1))
                n = m
        self.stages = nn.Sequential(*stages)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(n, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.relu(self.norm(self.stem(x))))
        return self.head(self.pool(x).flatten(1))


def generic(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter, and the statistics of batch norms, values in general position."""
    r = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, x in model.state_dict().items():
            if x.is_floating_point():
                noise = torch.randn(x.shape, generator=r, dtype=torch.float64)
                fan = max(1, x[0].numel()) if x.ndim > 1 else 1
                spread = 1.5 * noise / fan**0.5
                positive = "running_var" in name or x.ndim == 1 and "bias" not in name
                x.copy_(0.6 + spread.abs() if positive and "mean" not in name else spread)
    return model.eval()
