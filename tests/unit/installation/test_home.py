"""The layout of an installation."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secumail.errors import Refused
from secumail.installation import credentials, services
from secumail.installation.home import Home, Ports, write_private
from secumail.topology import SERVICES


@given(st.integers(1024, 65515))
def test_any_base_port_gives_eleven_different_ports(base: int) -> None:
    ports = Ports.from_base(base).by_name().values()
    assert len(set(ports)) == 11
    assert min(ports) == base
    assert max(ports) == base + 15


@pytest.mark.parametrize("base", [0, 443, 65516, 70000])
def test_a_base_port_without_room_is_refused_with_the_range(base: int) -> None:
    with pytest.raises(Refused) as refused:
        Ports.from_base(base)
    assert "1024 to 65515" in refused.value.fix


def test_free_ports_are_all_different() -> None:
    assert len(set(Ports.free().by_name().values())) == 11


def test_an_installation_is_found_again_as_it_was_started(tmp_path: Path) -> None:
    home = Home(tmp_path / "a" / "home", Ports.free(), ("one.example", "two.example"))
    home.save()
    assert Home.open(home.path) == home
    assert home.path.stat().st_mode & 0o777 == home.path.parent.stat().st_mode & 0o777 == 0o700


def test_where_nothing_was_installed_the_fix_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        Home.open(tmp_path)
    assert refused.value.fix == "Run: secumail up"


def test_a_private_file_is_replaced_whole_and_stays_private(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "secret"
    write_private(file, "first")
    write_private(file, b"second")
    assert file.read_bytes() == b"second"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["secret"]


def test_passwords_are_made_once_and_none_twice(tmp_path: Path) -> None:
    home = Home(tmp_path)
    credentials.ensure(home)
    made = [*credentials.read_all(home, credentials.AMQP).values()]
    made += credentials.read_all(home, credentials.MONGODB).values()
    assert len(set(made)) == 14
    assert min(len(password) for password in made) >= 43
    admin = json.loads((home.secrets("auth") / "first_admin.json").read_text())
    assert admin["address"] == "admin@northwind.example"

    credentials.ensure(home)

    again = [*credentials.read_all(home, credentials.AMQP).values()]
    again += credentials.read_all(home, credentials.MONGODB).values()
    assert again == made


def test_every_service_gets_its_own_identity_and_no_password_in_its_environment(tmp_path: Path) -> None:
    home = Home(tmp_path)
    credentials.ensure(home)
    for name in SERVICES:
        environment = services.environment(home, name)
        assert environment["AMQP_URL"] == f"amqps://{name}@127.0.0.1:8444/secumail"
        assert environment["MONGODB_URL"] == f"mongodb://{name}@127.0.0.1:8445/?replicaSet=rs0&tls=true"
        assert environment["SECUMAIL_SECRETS"] == str(home.secrets(name))
        password = credentials.read(home, name, credentials.AMQP)
        assert not [value for value in environment.values() if password in value]


def test_a_given_broker_and_database_are_used_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMQP_URL", "amqps://broker.example/secumail")
    monkeypatch.setenv("MONGODB_URL", "mongodb://database.example/")
    monkeypatch.setenv("SECUMAIL_TLS_CA", "/etc/ssl/ours.pem")
    environment = services.environment(Home(tmp_path), "dlp")
    assert environment["AMQP_URL"] == "amqps://broker.example/secumail"
    assert environment["MONGODB_URL"] == "mongodb://database.example/"
    assert environment["SECUMAIL_TLS_CA"] == "/etc/ssl/ours.pem"
