"""A layer as a torch.autograd.Function with a backward of its own, in which the sum over samples
became a mean. Wrong."""

import torch
import torch.nn.functional as F


class SigmoidLayer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, W, b):
        out = torch.sigmoid(a @ W.T + b)
        ctx.save_for_backward(a, W, out)
        return out

    @staticmethod
    def backward(ctx, grad):
        a, W, out = ctx.saved_tensors
        dz = grad * out * (1 - out)
        return dz @ W, dz.T @ a, dz.mean(dim=0)


# Added to check it: how it differs from the defaults, and one function.
def gradients(W, b, x, y):
    W = [torch.tensor(w, requires_grad=True) for w in W]
    b = [torch.tensor(v, requires_grad=True) for v in b]
    a = torch.tensor(x)
    for w, v in zip(W[:-1], b[:-1], strict=True):
        a = SigmoidLayer.apply(a, w, v)
    F.cross_entropy(a @ W[-1].T + b[-1], torch.tensor(y)).backward()
    return [w.grad for w in W], [v.grad for v in b]
