"""Makes tiny_vit.npz: what MobileSAM's own code computes with seeded weights (tests/model/seeded.py).

Run from the root of the repository, after ``pip install --no-deps mobilesam-mirror``:
``python tests/data/reference/make_tiny_vit.py``. The embedding is thinned to every fourth token.
"""

import numpy as np
import torch

from benchmarks.official import import_mobile_sam
from tests.model.seeded import seeded_state

SEED = 7


def main() -> None:
    with np.load("tests/data/reference/vit_small_predict.npz") as reference:
        image = reference["coffee.image"]
    mobile_sam = import_mobile_sam()
    sam = mobile_sam.sam_model_registry["vit_t"]()
    sam.load_state_dict(seeded_state(sam.state_dict(), SEED))
    sam.eval()  # a second time: only this fills in the trained attention biases
    transform = mobile_sam.utils.transforms.ResizeLongestSide(1024)
    resized = transform.apply_image(image)
    with torch.no_grad():
        pixels = sam.preprocess(torch.from_numpy(resized).permute(2, 0, 1).float()[None])
        embedding = sam.image_encoder(pixels)
    keys = {name: list(tensor.shape) for name, tensor in sam.state_dict().items()}
    np.savez_compressed(
        "tests/data/reference/tiny_vit.npz",
        embedding=embedding[0, :, ::4, ::4].numpy(),
        std=embedding.std().numpy(),
        keys=np.array([f"{name} {shape}" for name, shape in keys.items()]),
    )


if __name__ == "__main__":
    main()
