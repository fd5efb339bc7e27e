"""A bug of one's own, known to the checker as soon as this file is imported."""

import numpy as np

from backproof.checks.bugs.hooked_pass import at
from backproof.checks.bugs.register import Variant, places, suspect
from backproof.checks.findings import Fix, Place


@suspect("rectified-delta", "the delta loses its sign", Fix.of_steps("da", above=1), "(B4)")
def rectified_delta(shape):
    for layers in places(range(1, shape.L)):
        hook = at("da", layers, lambda run, layer, da: np.maximum(da, 0))
        yield Variant(Place.of(layers, shape.L), (hook,), "max(da[l], 0) in place of da[l]")
