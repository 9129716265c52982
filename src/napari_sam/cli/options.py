"""Command-line options made from parameter dataclasses: every field is an option, and a default exists once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Annotated, Any

import typer

from napari_sam.parameters import Parameter, parameters_of

Command = Callable[..., Any]
_VALUES = "values"


def parameter_options(*configs: type, short: Mapping[str, str] | None = None) -> Callable[[Command], Command]:
    """Give a command an option for every parameter of some dataclasses, and of those that are their fields.

    The command has a parameter ``values``: a dict of what was typed, by the names of the parameters. What was not
    typed is not in it, so that a job file or a preset may say it; values are checked where the dataclass is made, and
    :class:`~napari_sam.errors.ParameterError` ends the program with status 2. Where None is allowed, an empty text
    means None.

    Parameters
    ----------
    *configs : type
        Dataclasses whose fields are made with :func:`napari_sam.parameters.parameter`.
    short : mapping of str to str, optional
        Second spelling of an option by the name of its parameter, such as ``{"model": "-m"}``.

    Returns
    -------
    callable
        A decorator, to be used below ``app.command()``.

    Examples
    --------
    >>> @app.command()                                            # doctest: +SKIP
    ... @parameter_options(AutomaticConfig)
    ... def auto(image: Path, values: dict[str, Any]) -> None:
    ...     config = AutomaticConfig(**values)
    """
    described = {one.name: one for config in configs for one in _parameters(config())}

    def decorate(function: Command) -> Command:
        signature = inspect.signature(function, eval_str=True)
        own = [one for one in signature.parameters.values() if one.name != _VALUES]

        @functools.wraps(function)
        def command(**arguments: Any) -> Any:
            values = {}
            for name, one in described.items():
                typed = arguments.pop(name)
                if typed is not None:
                    values[name] = None if one.optional and typed == "" else typed
            return function(**arguments, **{_VALUES: values})

        added = [_option(one, (short or {}).get(one.name)) for one in described.values()]
        keyword_only = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in [*own, *added]]
        command.__signature__ = signature.replace(parameters=keyword_only)  # type: ignore[attr-defined]
        return command

    return decorate


def _parameters(config: Any) -> Iterator[Parameter]:
    """All parameters of a dataclass, its own, then those of its sections, with the defaults they have there."""
    for one in parameters_of(config):
        yield replace(one, default=getattr(config, one.name))
    for section in fields(config):
        value = getattr(config, section.name)
        if is_dataclass(value):
            yield from _parameters(value)


def _option(one: Parameter, short: str | None) -> inspect.Parameter:
    negative = f"/--no-{one.option.removeprefix('--')}" if one.type is bool else ""
    spellings = [one.option + negative, *([short] if short else [])]
    metavar = "|".join(one.choices) if one.choices else None
    option = typer.Option(*spellings, metavar=metavar, help=f"{one.help} [{_allowed(one)}]", show_default=False)
    return inspect.Parameter(
        one.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[one.type | None, option]
    )


def _allowed(one: Parameter) -> str:
    """Tell the default and the range in a few words."""
    if isinstance(one.default, bool):
        return f"default: {'yes' if one.default else 'no'}"
    default = f"{one.default:g}" if isinstance(one.default, float) else one.default
    words = [] if one.default is None else [f"default: {default}"]
    if one.low is not None and one.high is not None:
        words.append(f"{one.low:g} to {one.high:g}")
    elif one.low is not None:
        words.append(f"at least {one.low:g}")
    return "; ".join(words) or "optional"
