"""Parameters of an operation, described once: the command line, the widgets and the job file are made from this.

An operation has one frozen dataclass. Its fields are made with :func:`parameter`, which keeps the help text, the
range and the choices beside the default; :func:`check_parameters` refuses what does not fit.
"""

from __future__ import annotations

import math
import numbers
import types
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Union, get_args, get_origin, get_type_hints

from napari_sam.errors import ParameterError

_KEY = "napari_sam"


@dataclass(frozen=True)
class Parameter:
    """What is known about one field of a parameter dataclass.

    Attributes
    ----------
    name : str
    type : type
        ``bool``, ``int``, ``float`` or ``str``; of an optional field the type of its value.
    optional : bool
        Whether None is allowed.
    default : object
    help : str
        One or two sentences for a tooltip, ``--help`` and the documentation.
    label : str
        A few words for a form.
    low, high : float or None
        Smallest and largest allowed value.
    choices : tuple of str
        Allowed values of a text; empty where any text is.
    advanced : bool
        Whether a form keeps it folded away.
    """

    name: str
    type: type
    optional: bool
    default: Any
    help: str
    label: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = True

    @property
    def option(self) -> str:
        """Name on the command line, such as ``--points-per-side``."""
        return "--" + self.name.replace("_", "-")

    def plain(self, value: Any) -> Any:
        """Return a value as Python's own type, so that equal values are written alike (1 and 1.0, numpy's numbers)."""
        return None if value is None else self.type(value)


def parameter(
    default: Any,
    help: str,
    *,
    label: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    advanced: bool = True,
) -> Any:
    """Make a dataclass field with a default, a help text and the values that are allowed; see :class:`Parameter`."""
    described = {
        "help": help,
        "label": label,
        "low": low,
        "high": high,
        "choices": tuple(choices),
        "advanced": advanced,
    }
    return field(default=default, metadata={_KEY: described})


def parameters_of(config: Any) -> tuple[Parameter, ...]:
    """List the parameters of a dataclass (or of an instance) in the order of its fields.

    Fields that were not made with :func:`parameter` (sections of a job) are left out.
    """
    cls = config if isinstance(config, type) else type(config)
    hints = get_type_hints(cls)
    found = []
    for one in fields(cls):
        if _KEY not in one.metadata:
            continue
        kind, optional = _plain_type(hints[one.name])
        described = dict(one.metadata[_KEY])
        described["label"] = described["label"] or one.name.replace("_", " ")
        found.append(Parameter(one.name, kind, optional, one.default, **described))
    return tuple(found)


def check_parameters(config: Any) -> None:
    """Check every parameter of a dataclass instance; whole numbers given for real ones are fine.

    Raises
    ------
    ParameterError
        Naming the parameter, its value and what is allowed.
    """
    for one in parameters_of(config):
        check_value(one, getattr(config, one.name))


def check_value(one: Parameter, value: Any) -> None:
    """Check a value of one parameter, as :func:`check_parameters` does.

    Raises
    ------
    ParameterError
        Naming the parameter, its value and what is allowed.
    """
    if value is None and one.optional:
        return
    _check_type(one, value)
    if one.choices and value not in one.choices:
        raise ParameterError(f"{one.name} is {value!r}, but must be one of {', '.join(map(repr, one.choices))}.")
    if one.type in (int, float):
        _check_range(one, value)


def _check_type(one: Parameter, value: Any) -> None:
    allowed = {int: numbers.Integral, float: numbers.Real}.get(one.type, one.type)  # numpy's numbers are fine
    is_bool = isinstance(value, bool)
    if not isinstance(value, allowed) or is_bool != (one.type is bool):
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise ParameterError(f"{one.name} is {value!r}, but must be {names[one.type]}.")


def _check_range(one: Parameter, value: float) -> None:
    low, high = one.low, one.high
    if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
        ends = (("at least", low), ("at most", high))
        limits = [f"{words} {end:g}" for words, end in ends if end is not None] or ["finite"]
        raise ParameterError(f"{one.name} is {value!r}, but must be {' and '.join(limits)}.")


def _plain_type(hint: Any) -> tuple[type, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        rest = [one for one in get_args(hint) if one is not type(None)]
        return _plain_type(rest[0])[0], True
    origin = get_origin(hint)
    if origin is not None:  # Literal["a", "b"]
        return type(get_args(hint)[0]), False
    return hint, False
