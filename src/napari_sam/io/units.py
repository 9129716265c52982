"""Names of units, which every file format spells in its own way."""

from __future__ import annotations

_PICOMETRES = {
    "pm": 1,
    "angstrom": 100,
    "nm": 1_000,
    "um": 10**6,
    "mm": 10**9,
    "cm": 10**10,
    "dm": 10**11,
    "m": 10**12,
    "km": 10**15,
    "inch": 25_400 * 10**6,
}
_NANOSECONDS = {"ns": 1, "us": 1_000, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3_600 * 10**9}
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
    return spelt if spelt in _PICOMETRES or spelt in _NANOSECONDS else _SPELLINGS.get(spelt.lower(), spelt)


def unit_ratio(unit: str | None, wanted: str | None) -> float | None:
    """Return how many of ``wanted`` one ``unit`` is; None where they are not two lengths or two times."""
    for known in (_PICOMETRES, _NANOSECONDS):
        if plain_unit(unit) in known and plain_unit(wanted) in known:
            return known[str(plain_unit(unit))] / known[str(plain_unit(wanted))]
    return None


def ome_zarr_unit(unit: str | None) -> str | None:
    """Return the name of a length as OME-Zarr's list of units has it; unknown ones stay as they are."""
    return None if unit is None else _OME_ZARR.get(unit, unit)
