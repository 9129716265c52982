"""The official packages, importable without torchvision and timm.

``segment_anything`` and ``mobile_sam`` import a handful of names from torchvision, which does not exist beside every
build of torch, and from timm. Here small stand-ins take their place while they are imported; none of them is on the
path that is measured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from torch import nn

INSTALL = "python -m pip install --no-deps {package}"


class NotInstalledError(RuntimeError):
    """An official package is missing; the message says how to install it."""


def import_official() -> ModuleType:
    """Import ``segment_anything`` (PyPI: segment-anything-py, identical to the repository's head)."""
    return _import("segment_anything", "segment-anything-py")


def import_mobile_sam() -> ModuleType:
    """Import ``mobile_sam`` (PyPI: mobilesam-mirror)."""
    return _import("mobile_sam", "mobilesam-mirror")


def _import(name: str, package: str) -> ModuleType:
    try:
        with _stand_ins():
            return import_module(name)
    except ModuleNotFoundError as error:
        raise NotInstalledError(
            f"{name} cannot be imported ({error}). Install it with: {INSTALL.format(package=package)}"
        ) from error


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Let torchvision and timm be imported; gone afterwards, as others ask whether they are installed."""
    before = set(sys.modules)
    _install_stand_ins()
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in ("torchvision", "timm"):
                del sys.modules[name]


def _install_stand_ins() -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise NotInstalledError("this part of the official package needs torchvision")

    _module("torchvision")
    _module("torchvision.ops")
    _module("torchvision.ops.boxes", batched_nms=missing, box_area=missing)
    _module("torchvision.transforms")
    _module("torchvision.transforms.functional", resize=_resize, to_pil_image=_to_pil_image)
    _module("timm")
    _module("timm.models")
    _module("timm.models.layers", DropPath=nn.Identity, to_2tuple=lambda x: (x, x), trunc_normal_=nn.init.trunc_normal_)
    _module("timm.models.registry", register_model=lambda function: function)


def _module(name: str, **members: Any) -> None:
    if name in sys.modules:
        return
    module = ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def _to_pil_image(image: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(image)


def _resize(image: Any, size: tuple[int, int]) -> Any:
    from PIL import Image

    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
