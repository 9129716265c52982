"""What is known about every model that can be named: where it comes from, its licence, how to check the file.

A URL and its checksums are pinned together: micro-sam publishes new weights under the same model name from time to
time, with another URL and another hash.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from napari_sam.errors import ModelError

_APACHE = "https://www.apache.org/licenses/LICENSE-2.0"
_CC_BY = "https://creativecommons.org/licenses/by/4.0/"
_META = "https://dl.fbaipublicfiles.com/segment_anything"
_BIOIMAGE = "https://uk1s3.embassy.ebi.ac.uk/public-datasets/bioimage.io"
_OWNCLOUD = "https://owncloud.gwdg.de/index.php/s"
_MOBILE_SAM_COMMIT = "f706ad9c4eb7f219c00d9050e46328518ffb65d2"

_META_NOTES = (
    "Meta publishes no hash list. sha256 from micro-sam's model registry (until April 2024), repeated by several "
    "unrelated projects; the six hex digits in the file name are the start of the MD5."
)
_MICRO_SAM_NOTES = (
    "Only an xxh128 is published, and no size. The weights alone: micro-sam's separate decoder is not used."
)


@dataclass(frozen=True)
class ModelCard:
    """One model: provenance, licence and what its file must look like.

    Attributes
    ----------
    name : str
        Name in the command line, the widgets and :func:`napari_sam.load_model`.
    title : str
        Name for people.
    architecture : str
        A key of :data:`napari_sam.model.config.CONFIGS`.
    filename : str
        Name of the file in the cache and in a folder of ``NAPARI_SAM_MODELS``; unique among the cards.
    url : str or None
        None for the model that ships in the package.
    size_bytes : int or None
        None where no size is published.
    sha256, md5, xxh128 : str or None
        Lower-case hex; None where not published.
    licence, licence_url : str
        Licence of the weights.
    domain : str
        What the model was trained for.
    source : str
        Where URL and checksums were taken from.
    notes : str
        What else to know, missing checksums included.
    pred_iou_thresh, stability_score_thresh : float
        Thresholds of automatic segmentation that suit the model; the official ones unless it is another kind of model.
    """

    name: str
    title: str
    architecture: str
    filename: str
    url: str | None
    size_bytes: int | None
    sha256: str | None
    md5: str | None
    xxh128: str | None
    licence: str
    licence_url: str
    domain: str
    source: str
    notes: str
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95

    @property
    def checksum(self) -> tuple[str, str] | None:
        """The strongest published checksum as (algorithm, hex digits), or None."""
        for algorithm in ("sha256", "xxh128", "md5"):
            digest = getattr(self, algorithm)
            if digest is not None:
                return algorithm, digest
        return None

    @property
    def size_text(self) -> str:
        """Size for people, such as ``375 MB``, or ``size not published``."""
        return "size not published" if self.size_bytes is None else f"{self.size_bytes / 1e6:,.0f} MB"


def _bundled() -> ModelCard:
    return ModelCard(
        name="sam_lite",
        title="SAM lite (in the package)",
        architecture="sam_lite",
        filename="sam_lite.safetensors",
        url=None,
        size_bytes=None,
        sha256=None,
        md5=None,
        xxh128=None,
        licence="BSD-3-Clause",
        licence_url="https://opensource.org/license/bsd-3-clause",
        domain="nuclei, cells, grains, pebbles, fruit and other clear-cut objects",
        source="trained by this project",
        notes=(
            "Ships in the package, so no checksum is needed: it is checked by reading it. The trunk started from the "
            "Apache-2.0 ImageNet weights of EfficientNet-Lite0."
        ),
        # Its estimates are as low as its masks are rough, its logits shallow: docs/sam_lite.md, "Segment everything".
        pred_iou_thresh=0.6,
        stability_score_thresh=0.7,
    )


def _meta(size: str, digest: str, size_bytes: int, sha256: str, md5: str, xxh128: str) -> ModelCard:
    filename = f"sam_vit_{size}_{digest}.pth"
    return ModelCard(
        name=f"vit_{size}",
        title=f"Segment Anything ViT-{size.upper()}",
        architecture=f"vit_{size}",
        filename=filename,
        url=f"{_META}/{filename}",
        size_bytes=size_bytes,
        sha256=sha256,
        md5=md5,
        xxh128=xxh128,
        licence="Apache-2.0",
        licence_url=_APACHE,
        domain="photographs (SA-1B)",
        source="github.com/facebookresearch/segment-anything; sha256 and xxh128: micro-sam's registry",
        notes=_META_NOTES,
    )


def _mobile_sam() -> ModelCard:
    return ModelCard(
        name="vit_t",
        title="MobileSAM (TinyViT)",
        architecture="vit_t",
        filename="mobile_sam.pt",
        url=f"https://github.com/ChaoningZhang/MobileSAM/raw/{_MOBILE_SAM_COMMIT}/weights/mobile_sam.pt",
        size_bytes=40_728_226,
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        md5="f3c0d8cda613564d499310dab6c812cd",
        xxh128="8eadbc88aeb9d8c7e0b4b60c3db48bd0",
        licence="Apache-2.0",
        licence_url="https://github.com/ChaoningZhang/MobileSAM/blob/master/LICENSE",
        domain="photographs (distilled from ViT-H on SA-1B)",
        source="github.com/ChaoningZhang/MobileSAM; sha256 and xxh128: micro-sam's registry",
        notes="MobileSAM publishes no hash; sha256 from micro-sam's model registry, repeated by several projects.",
    )


def _micro_sam(name: str, url: str, xxh128: str, domain: str, licence: tuple[str, str], note: str) -> ModelCard:
    architecture = name[:5]
    return ModelCard(
        name=name,
        title=f"micro-sam {name.replace('_', ' ').replace('vit ', 'ViT-')}",
        architecture=architecture,
        filename=f"{name}.pt",
        url=url,
        size_bytes=None,
        sha256=None,
        md5=None,
        xxh128=xxh128,
        licence=licence[0],
        licence_url=licence[1],
        domain=domain,
        source="github.com/computational-cell-analytics/micro-sam (model registry, 2026)",
        notes=f"{_MICRO_SAM_NOTES} {note}",
    )


def _zoo(name: str, path: str, xxh128: str, domain: str) -> ModelCard:
    note = f"BioImage.IO Model Zoo: {path.split('/')[0]}. micro-sam's export script states the licence."
    url = f"{_BIOIMAGE}/{path}/files/{name[:5]}.pt"
    return _micro_sam(name, url, xxh128, domain, ("CC-BY-4.0", _CC_BY), note)


def _share(name: str, share: str, xxh128: str, domain: str, project: str) -> ModelCard:
    note = "No licence of the weights is stated where they are offered: ask its authors before you pass it on."
    home = f"https://github.com/computational-cell-analytics/{project}"
    return _micro_sam(name, f"{_OWNCLOUD}/{share}/download", xxh128, domain, ("not stated", home), note)


_LM = "cells and nuclei in light microscopy"
_EM = "mitochondria and nuclei in electron microscopy"
_HISTO = "nuclei in histopathology (H&E)"


def _all_cards() -> tuple[ModelCard, ...]:
    return (
        _bundled(),
        _mobile_sam(),
        _meta(
            "b",
            "01ec64",
            375_042_383,
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            "01ec64d29a2fca3f0661936605ae66f8",
            "6923c33df3637b6a922d7682bfc9a86b",
        ),
        _meta(
            "l",
            "0b3195",
            1_249_524_607,
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            "0b3195507c641ddb6910d2bb5adee89c",
            "a82beb3c660661e3dd38d999cc860e9a",
        ),
        _meta(
            "h",
            "4b8939",
            2_564_550_879,
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            "4b8939a88964f0f4ff5f5b2642c598a6",
            "97698fac30bd929c2e6d8d8cc15933c2",
        ),
        _zoo("vit_t_lm", "faithful-chicken/1.1", "72ec5074774761a6e5c05a08942f981e", _LM),
        _zoo("vit_b_lm", "diplomatic-bug/1.2", "fe9252a29f3f4ea53c15a06de471e186", _LM),
        _zoo("vit_l_lm", "idealistic-rat/1.2", "017f20677997d628426dec80a8018f9d", _LM),
        _zoo("vit_t_em_organelles", "greedy-whale/1", "253474720c497cce605e57c9b1d18fd9", _EM),
        _zoo("vit_b_em_organelles", "noisy-ox/1.2", "f3bf2ed83d691456bae2c3f9a05fb438", _EM),
        _zoo("vit_l_em_organelles", "humorous-crab/1.2", "810b084b6e51acdbf760a993d8619f2d", _EM),
        _share("vit_b_histopathology", "sBB4H8CTmIoBZsQ", "ffd1a2cd84570458b257bd95fdd8f974", _HISTO, "patho-sam"),
        _share("vit_l_histopathology", "IZgnn1cpBq2PHod", "b591833c89754271023e901281dee3f2", _HISTO, "patho-sam"),
        _share("vit_h_histopathology", "L7AcvVz7DoWJ2RZ", "bd1856dafc156a43fb3aa705f1a6e92e", _HISTO, "patho-sam"),
        _share(
            "vit_b_medical_imaging",
            "f5Ol4FrjPQWfjUF",
            "40169f1e3c03a4b67bff58249c176d92",
            "medical images (CT, MRI, ultrasound, X-ray ...)",
            "medico-sam",
        ),
    )


CARDS: Mapping[str, ModelCard] = MappingProxyType({card.name: card for card in _all_cards()})
"""Every model by name: the bundled one, MobileSAM, Meta's, micro-sam's."""

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "lite": "sam_lite",
        "mobile_sam": "vit_t",
        "mobilesam": "vit_t",
        "sam_vit_t": "vit_t",
        "sam_vit_b": "vit_b",
        "sam_vit_l": "vit_l",
        "sam_vit_h": "vit_h",
    }
)


def get_card(name: str) -> ModelCard:
    """Return the card of a model.

    Parameters
    ----------
    name : str
        A name of :data:`CARDS` or an alias (``sam_vit_b``, ``mobile_sam`` ...); case and ``-`` for ``_`` don't matter.

    Raises
    ------
    ModelError
        If there is no such model; the message names the nearest ones.
    """
    key = name.strip().lower().replace("-", "_")
    key = _ALIASES.get(key, key)
    if key in CARDS:
        return CARDS[key]
    near = difflib.get_close_matches(key, [*CARDS, *_ALIASES], n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known models: {', '.join(CARDS)}."
    raise ModelError(f"There is no model named {name!r}: {hint} A file of your own is loaded with checkpoint=FILE.")
