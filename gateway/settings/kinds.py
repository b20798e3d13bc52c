"""Kinds of values that settings have, with what is wrong with one in the words of its operator."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from gateway.authz import CAPABILITIES, check_action, check_field
from gateway.authz import QueryFields as _QueryFields
from gateway.authz.rules import ENFORCE
from gateway.keys import quota_of, rate_of
from gateway.redis_address import redis_address

_FILE = "_file"
_MAPPED = IPv6Network("::ffff:0:0/96")


class _SecretFile:
    """Stands for a secret that is in a file until the field's own validator reads it, so that a fault has its path."""

    def __init__(self, path: object, *, twice: bool) -> None:
        self._path, self._twice = path, twice

    def read(self) -> str:
        if self._twice:
            raise ValueError("is given both as a value and as a file")
        try:
            return Path(str(self._path)).read_text("utf-8").rstrip("\r\n")
        except OSError as fault:
            raise ValueError(f"cannot read `{self._path}`: {fault.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"cannot read `{self._path}`: it is not UTF-8") from None


def _read_secret(value: object) -> object:
    return value.read() if isinstance(value, _SecretFile) else value


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must have no user, query or fragment")
    if parts.port == 0:  # reading it also refuses what is no port
        raise ValueError("has no port that can be connected to")
    return value.rstrip("/")


def _same_place(url: str) -> tuple[str | None, int | None, str]:
    """What makes two URLs one address; the schemes of a list are the same."""
    parts = urlsplit(url)
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), parts.path


def _addresses(value: object) -> object:
    """One URL, or several; in a variable with commas between them."""
    if not isinstance(value, str | list | tuple):
        raise ValueError("must be a URL or a list of URLs")  # noqa: TRY004 (a fault of the settings is a ValueError)
    if not value:
        raise ValueError("must name an address")
    if not isinstance(value, str):
        return value
    several = re.split(r",\s*(?=https?://)", value)
    return several if len(several) > 1 else (_base_url(value),)  # the fault of the only one has no number


def _one_service(urls: tuple[str, ...]) -> tuple[str, ...]:
    if len({urlsplit(url).scheme for url in urls}) > 1:
        raise ValueError("must be all http:// or all https://: calls would be safe by chance")
    places = [_same_place(url) for url in urls]
    if twice := [url for place, url in enumerate(urls) if places[place] in places[:place]]:
        raise ValueError(f"names `{twice[0]}` twice")
    return urls


def _words(value: object) -> object:
    """A list in a variable is words with commas."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _capability(value: str) -> str:
    if value not in CAPABILITIES:
        raise ValueError(f"must be one of {', '.join(CAPABILITIES)}")
    return value


def _root_name(value: str) -> str:
    check_field(value)
    return value


def _action(value: str) -> str:
    check_action(value)
    return value


def _query_fields(value: object) -> object:
    try:
        return value if value == ENFORCE else _SWITCH.validate_python(value)
    except ValidationError:
        raise ValueError(f"must be true, false or `{ENFORCE}`") from None


_SWITCH = TypeAdapter(bool)


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(str(value))
    except ValueError:
        raise ValueError("must be a network such as 10.0.0.0/8 or 2001:db8::/32, without bits beside it") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        raise ValueError("must be written as IPv4")
    return network


def _redis_url(value: SecretStr | None) -> SecretStr | None:
    if value:
        redis_address(value.get_secret_value())  # its faults quote nothing
    return value


def _database_url(value: SecretStr | None) -> SecretStr | None:
    """The faults of an address are told without its words: a part of the password could be taken for the port."""
    if value is None:
        return None
    try:
        url = urlsplit(value.get_secret_value())
        _ = url.port  # read, because it is judged only then
    except ValueError:
        raise ValueError(
            "cannot be read: write `/`, `?`, `#`, `[` and `@` in a password as %2F, %3F and so on"
        ) from None
    if url.scheme not in {"postgresql", "postgres"}:
        raise ValueError("must be a postgresql:// URL")
    return value


_NONE = "none"
"""What TOML has no word for."""


def _rate(value: str | None) -> str | None:
    if value in (None, _NONE):
        return None
    rate_of(value)
    return value


def _quota(value: str | None) -> str | None:
    if value in (None, _NONE):
        return None
    quota_of(value)
    return value


Secret = Annotated[SecretStr, BeforeValidator(_read_secret), Field(min_length=1)]
SigningSecret = Annotated[SecretStr, BeforeValidator(_read_secret), Field(min_length=32)]
RedisURL = Annotated[SecretStr | None, BeforeValidator(_read_secret), AfterValidator(_redis_url)]
DatabaseURL = Annotated[SecretStr | None, BeforeValidator(_read_secret), AfterValidator(_database_url)]
Capabilities = Annotated[tuple[Annotated[str, AfterValidator(_capability)], ...], BeforeValidator(_words)]
QueryFields = Annotated[_QueryFields, BeforeValidator(_query_fields)]
Proxies = Annotated[
    tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...], BeforeValidator(_words)
]
BaseURL = Annotated[str, AfterValidator(_base_url)]
BaseURLs = Annotated[tuple[BaseURL, ...], BeforeValidator(_addresses), AfterValidator(_one_service)]
ResultHosts = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?$")], ...],
    BeforeValidator(_words),
]
RootName = Annotated[str, AfterValidator(_root_name)]
PolicyAction = Annotated[str, AfterValidator(_action)]
OrganizationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
ProjectSlug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
RateText = Annotated[str | None, AfterValidator(_rate)]
QuotaText = Annotated[str | None, AfterValidator(_quota)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A table of settings; the docstrings of its fields are their descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _secrets_may_be_in_files(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        files = {name: data[name + _FILE] for name in secret_fields(cls) if name + _FILE in data}
        rest = {name: value for name, value in data.items() if name.removesuffix(_FILE) not in files}
        return rest | {name: _SecretFile(path, twice=name in data) for name, path in files.items()}


def secret_fields(section: type[BaseModel]) -> tuple[str, ...]:
    """The fields of a section that hold a secret, and may be given as a file."""
    kinds = ((name, field.annotation) for name, field in section.model_fields.items())
    return tuple(name for name, kind in kinds if kind is SecretStr or SecretStr in get_args(kind))
