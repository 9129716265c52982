"""Names of units, which every file format spells in its own way."""

from __future__ import annotations

_METRES = {
    "angstrom": 1e-10,
    "pm": 1e-12,
    "nm": 1e-9,
    "um": 1e-6,
    "mm": 1e-3,
    "cm": 1e-2,
    "dm": 1e-1,
    "m": 1.0,
    "km": 1e3,
    "inch": 0.0254,
}
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_SPELLINGS = {
    "å": "angstrom",
    "picometer": "pm",
    "nanometer": "nm",
    "nanometers": "nm",
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "micrometre": "um",
    "micrometers": "um",
    "µm": "um",
    "μm": "um",
    "\\u00b5m": "um",
    "millimeter": "mm",
    "centimeter": "cm",
    "decimeter": "dm",
    "meter": "m",
    "metre": "m",
    "kilometer": "km",
    "in": "inch",
    "inches": "inch",
    "nanosecond": "ns",
    "microsecond": "us",
    "µs": "us",
    "millisecond": "ms",
    "sec": "s",
    "second": "s",
    "minute": "min",
    "hour": "h",
}
_NONE = ("", "pixel", "pixels", "px", "none", "null")
_OME_ZARR = {
    "angstrom": "angstrom",
    "pm": "picometer",
    "nm": "nanometer",
    "um": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "dm": "decimeter",
    "m": "meter",
    "km": "kilometer",
    "inch": "inch",
}


def plain_unit(name: object) -> str | None:
    """Return the short name of a unit: "um" for "µm", "micron", "micrometer"; None for pixels and for nothing.

    Unknown names stay as they are.
    """
    if not isinstance(name, str) or name.strip().lower() in _NONE:
        return None
    spelt = name.strip()
    return spelt if spelt in _METRES or spelt in _SECONDS else _SPELLINGS.get(spelt.lower(), spelt)


def unit_ratio(unit: str | None, wanted: str | None) -> float:
    """Return how many of ``wanted`` one ``unit`` is; 1 where either is unknown, or one is a length and one a time."""
    for known in (_METRES, _SECONDS):
        if plain_unit(unit) in known and plain_unit(wanted) in known:
            return known[str(plain_unit(unit))] / known[str(plain_unit(wanted))]
    return 1.0


def ome_zarr_unit(unit: str | None) -> str | None:
    """Return the name of a length as OME-Zarr's list of units has it; unknown ones stay as they are."""
    return None if unit is None else _OME_ZARR.get(unit, unit)
