"""Settings of a node, and what goes together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steelyard.kernel import utc_now
from steelyard.kernel.errors import ConfigurationError, UsageError
from steelyard.server.node import About, create_identity
from steelyard.server.web.addresses import LINK, PROVIDER_BACK
from steelyard.server.web.settings import (
    FILE,
    base_of,
    database_of,
    is_loopback,
    read_settings,
)

ROOT = Path(__file__).parents[5]


def test_flags_come_before_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('port = 9000\nhost = "::1"\n[quotas]\nstrangers = 7\n')
    settings = read_settings(tmp_path, {"port": 9001, "host": None})
    assert (settings.port, settings.host, settings.quotas.strangers) == (9001, "::1", 7)
    card = create_identity(tmp_path / "node", About("Lab", ("developer",)), utc_now()).card
    assert base_of(settings, card) == "http://[::1]:9001"
    assert settings.public_folder == tmp_path / "public"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "unknown setting 'prot'"),
        ('port = "1"', "port is no int"),
        ("behind_proxy = 1", "behind_proxy is no bool"),
        ("[quotas]\nmany = 1", "unknown setting 'many'"),
        ("quotas = 1", "expected a table"),
        ("port = ", "no TOML: "),
        ("folder = 'x'", "unknown setting 'folder'"),
        ('[oidc.roles]\nstaff = ["analyst"]', "roles are no table of roles"),
        ('[oidc.roles]\nstaff = "boss"', "roles are no table of roles"),
        ('[oidc]\nroles = ["analyst"]', "roles are no table of roles"),
    ],
)
def test_a_setting_that_is_none_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read_settings(tmp_path, {})
    assert refused.value.message.startswith(message)
    assert refused.value.where.startswith(str(tmp_path / FILE))


def test_server_and_commands_take_one_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE).write_text('database = "sqlite:///file.db"\n')
    monkeypatch.delenv("STEELYARD_DATABASE", raising=False)
    assert read_settings(tmp_path, {}).database == database_of(tmp_path) == "sqlite:///file.db"
    monkeypatch.setenv("STEELYARD_DATABASE", "sqlite:///other.db")
    assert read_settings(tmp_path, {}).database == database_of(tmp_path) == "sqlite:///other.db"
    flags = {"database": "sqlite:///flag.db"}
    assert read_settings(tmp_path, flags).database == "sqlite:///flag.db"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "10.0.0.1", "node.example"])  # noqa: S104
def test_plain_http_is_for_loopback_alone(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_settings(tmp_path, {"host": host})
    assert refused.value.message == (
        f"{host} can be reached by others, and this would be plain HTTP"
    )
    assert refused.value.hint.startswith("add --tls-certificate FILE, or --behind-proxy")
    assert read_settings(tmp_path, {"host": host, "behind_proxy": True}).host == host
    secure = read_settings(tmp_path, {"host": host, "tls_certificate": "cert.pem"})
    assert secure.is_secure


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"tls_key": "k"}, "a TLS key belongs to a certificate"),
        ({"tls_certificate": "c", "behind_proxy": True}, "a proxy ends TLS, or the node does"),
        ({"url": "http://node.example"}, "'http://node.example' is no address of a node"),
        ({"url": "https://node.example/?a"}, "'https://node.example/?a' is no address of a node"),
        ({"url": "node.example"}, "'node.example' is no address of a node"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    tmp_path: Path, flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        read_settings(tmp_path, flags)
    assert refused.value.message == message


def test_plain_http_addresses_are_for_who_allows_them(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1"
    assert read_settings(tmp_path, {"url": url, "allow_private": True}).url == url


def test_a_node_is_reached_as_it_is_named_or_where_it_listens(tmp_path: Path) -> None:
    about = About("Lab", ("developer",), "https://card.example")
    named = create_identity(tmp_path / "named", about, utc_now()).card
    plain = create_identity(tmp_path / "plain", About("Lab", ("developer",)), utc_now()).card
    settings = read_settings(tmp_path, {"url": "https://node.example/"})
    assert base_of(settings, named) == "https://node.example"
    assert base_of(replace(settings, url=""), named) == "https://card.example"
    proxied = replace(settings, url="", behind_proxy=True)
    assert base_of(proxied, plain) == "https://127.0.0.1:8767"
    assert proxied.is_secure


def test_the_page_on_running_a_node_has_settings_that_are_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "run-a-node.md").read_text()
    (tmp_path / FILE).write_text(page.split("```toml\n")[1].split("```")[0])
    settings = read_settings(tmp_path, {})
    assert settings.smtp.host == "mail.lab.example"
    assert settings.oidc.roles == {"psirt-leads": "coordinator", "psirt": "analyst"}
    assert f"admin link: {settings.url}{LINK.partition('{')[0]}..." in page
    assert f"`{settings.url}{PROVIDER_BACK}`" in page


def test_loopback_is_this_machine_alone() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("127.0.0.1.example", "0.0.0.0", "")))  # noqa: S104
