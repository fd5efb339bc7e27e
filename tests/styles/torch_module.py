"""torch.nn.Sequential and its own loss. Right."""

from itertools import pairwise

import torch
from torch import nn


def build(sizes):
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out, dtype=torch.float64), nn.Sigmoid()]
    return nn.Sequential(*layers[:-1])


def train(net, x, y, lr):
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    loss = nn.CrossEntropyLoss()(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


# Added to check it
def step(W, b, x, y, learning_rate):
    net = build([W[0].shape[1], *map(len, b)])
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, w, v in zip(linear, W, b, strict=True):
            layer.weight.copy_(torch.tensor(w))
            layer.bias.copy_(torch.tensor(v))
    train(net, torch.tensor(x), torch.tensor(y), learning_rate)
    return [layer.weight for layer in linear], [layer.bias for layer in linear]
