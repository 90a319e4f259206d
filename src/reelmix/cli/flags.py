"""Command line flags made from configuration classes, so that every setting is described in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from reelmix.settings import Settings


def settings_flags(
    groups: Mapping[str, list[type[Settings]]],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command one flag for each setting; those given arrive together in its argument ``settings``.

    Args:
        groups: heading in the help to the classes whose fields stand under it. A name that occurs in several
            classes is one flag, described as in the first; its help names the defaults of all.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"
        ]
        made: dict[str, inspect.Parameter] = {}
        for panel, classes in groups.items():
            for name in dict.fromkeys(name for config in classes for name in config.model_fields):
                having = [config for config in classes if name in config.model_fields]
                if name not in made:
                    made[name] = _flag(name, having, panel)

        def with_settings(**arguments: Any) -> None:
            given = {name: arguments.pop(name) for name in made}
            command(**arguments, settings={name: value for name, value in given.items() if value is not None})

        parameters = [*own, *made.values()]
        # typer makes flags of what these say; functions have no typed place for a signature
        with_settings.__doc__ = command.__doc__
        with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_settings.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_settings

    return decorate


def _flag(name: str, having: list[type[Settings]], panel: str) -> inspect.Parameter:
    field = having[0].model_fields[name]
    words = " ".join((field.description or "").split())
    defaults: dict[str, list[str]] = {}
    for config in having:
        defaults.setdefault(_shown(config.model_fields[name]), []).append(
            config.__name__.removesuffix("Config")
        )
    if len(defaults) == 1:
        shown = next(iter(defaults))
    else:
        shown = "; ".join(f"{default} for {', '.join(names)}" for default, names in defaults.items())
    details = f" [default: {shown}]" if shown else ""
    option = typer.Option(help=words + details, rich_help_panel=panel, show_default=False)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[_flag_type(field.annotation) | None, *_with_parser(option, field.annotation)],
    )


def _shown(field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, tuple):
        return ",".join(str(part) for part in default)
    return "" if default is None else str(default)


def _flag_type(annotation: Any) -> Any:
    plain = _without_none(annotation)
    return str if get_origin(plain) is tuple else plain


def _with_parser(option: Any, annotation: Any) -> list[Any]:
    plain = _without_none(annotation)
    if get_origin(plain) is tuple:
        element = get_args(plain)[0]

        def parse(text: str) -> Any:
            try:
                return tuple(element(part.strip()) for part in text.split(","))
            except ValueError:
                raise typer.BadParameter(f"expected numbers such as 1,5,10, found {text!r}") from None

        option.parser = parse
        option.metavar = "A,B,..."
    return [option]


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation
