"""The register of certificates, signing custody and encryption keys on a real database, with replicas that race."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from secumail.audit import Acts
from secumail.directory import Entry, lookup
from secumail.errors import Refused, Transient
from secumail.sealing import decryption
from secumail.sealing.hpke import NotForUs, PrivateKey
from secumail.service import Service
from services.auth.adapters.mongodb import SignedDirectory
from services.crypto.adapters.authority_files import Issuers, load
from services.crypto.adapters.certificates import Register, hexadecimal
from services.crypto.adapters.custody import StoredCustody
from services.crypto.adapters.encryption_keys import StoredEncryptionKeys
from services.crypto.adapters.trust import StoredTrust
from services.crypto.authority import ENCRYPTION_EC, SIGNING, Authority, KeyKind, Profile, renew_issuing
from services.crypto.settings import Settings
from services.crypto.smime.signing import signed_data
from services.crypto.smime.verification import verify
from tests.integration.ground import Ground
from tests.integration.test_indexes import profiled

ADDRESS = "ada@northwind.example"


def always(profile: Profile) -> Callable[[Authority], Profile]:
    return lambda _issuing: profile


class Replica:
    """One process of crypto, as far as certificates go."""

    def __init__(
        self,
        service: Service,
        issuers: Issuers,
        signing: Profile = SIGNING,
        encryption: Profile = ENCRYPTION_EC,
        issues_a_day: int = 20,
    ) -> None:
        database, scope = service.database, service.keys["crypto.signing"]
        acts = Acts(database["acts"])
        self.issuers = issuers
        self.register = Register(database["certificates"], database["crls"], scope, acts, issues_a_day)
        self.custody = StoredCustody(database["signing_keys"], scope, issuers, always(signing), self.register)
        self.keys = StoredEncryptionKeys(
            database["decryption_keys"], scope, issuers, always(encryption), self.register, service.directory
        )


@dataclass
class Person:
    """An account in the directory, with its private key."""

    listing: SignedDirectory
    entry: Entry
    private: PrivateKey

    @property
    def account(self) -> UUID:
        return self.entry.account

    async def become(self, **change: object) -> None:
        self.entry = replace(self.entry, revision=self.entry.revision + 1, **change)
        await self.listing.publish(self.entry)


@pytest.fixture
async def ada(ground: Ground) -> Person:
    for name in ("directory", "certificates", "crls", "signing_keys", "decryption_keys"):
        await ground.database[name].delete_many({})
    auth = await ground.service("auth")
    listing = SignedDirectory(auth.database["directory"], auth.keys["auth.directory"])
    private, signer = PrivateKey.generate(), Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    found = await lookup(auth.keys["address"], ADDRESS)
    entry = Entry(found, uuid4(), private.public, signer, 1, 1, ("member",), "active")
    await listing.publish(entry)
    return Person(listing, entry, private)


@pytest.fixture
async def issuers(ground: Ground) -> Issuers:
    return await load(ground.home.authority, ground.process("crypto").keys["crypto.authority"])


async def test_a_key_made_while_its_owner_is_away_opens_with_the_account_key_alone(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    replica = Replica(ground.process("crypto"), issuers)

    certificate = await replica.keys.encryption(ada.account, " ADA@Northwind.example ")

    (stored,) = await ground.database["decryption_keys"].find({}).to_list(None)
    secret = decryption.open_sealed(stored["wrap"], ada.account, stored["_id"], ada.private)
    assert serialization.load_der_private_key(secret, None).public_key() == certificate.public_key()
    with pytest.raises(NotForUs):
        decryption.open_sealed(stored["wrap"], ada.account, stored["_id"], PrivateKey.generate())
    assert await replica.keys.encryption(ada.account, ADDRESS) == certificate
    assert await replica.keys.certificates(ada.account) == {stored["_id"]: certificate}


async def test_an_rsa_key_of_3072_bits_is_what_is_made_by_default(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    settings = Settings(**ground.settings("crypto").model_dump(), authority=ground.home.authority)
    profile = settings.encryption(issuers.current.authority)
    replica = Replica(ground.process("crypto"), issuers, encryption=profile)

    certificate = await replica.keys.encryption(ada.account, ADDRESS)

    assert profile.key is KeyKind.RSA3072 and KeyKind.RSA3072.fits(certificate.public_key())


async def test_replicas_that_race_agree_on_one_key_and_revoke_the_other(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    replicas = [Replica(ground.process("crypto"), issuers) for _ in range(3)]

    encrypting = await asyncio.gather(*(r.keys.encryption(ada.account, ADDRESS) for r in replicas))
    signing = await asyncio.gather(*(r.custody.signer(ada.account, ADDRESS) for r in replicas))

    for found in (encrypting, [signer.certificate for signer in signing]):
        assert len(set(found)) == 1
    assert await ground.database["decryption_keys"].count_documents({}) == 1
    kept = {encrypting[0].serial_number, signing[0].certificate.serial_number}
    for registered in await replicas[0].register.of(ada.account):
        assert (registered.revoked is None) is (registered.certificate.serial_number in kept)


async def test_no_address_is_readable_at_rest(ground: Ground, ada: Person, issuers: Issuers) -> None:
    replica = Replica(ground.process("crypto"), issuers)
    await replica.keys.encryption(ada.account, ADDRESS)
    await replica.custody.signer(ada.account, ADDRESS)
    await replica.register.crl(issuers.current.authority)

    for name in ("certificates", "crls", "signing_keys", "decryption_keys", "acts"):
        stored = str(await ground.database[name].find({}).to_list(None)).lower()
        assert stored != "[]" and "ada" not in re.findall(r"[a-z]+", stored) and ADDRESS not in stored


@pytest.mark.parametrize("change", [{"status": "suspended"}, {"account": uuid4()}])
async def test_nobody_gets_a_key_for_an_address_that_is_not_theirs_now(
    ground: Ground, ada: Person, issuers: Issuers, change: dict[str, object]
) -> None:
    asked = ada.account
    await ada.become(**change)

    with pytest.raises(Refused) as refusal:
        await Replica(ground.process("crypto"), issuers).keys.encryption(asked, ADDRESS)
    assert refusal.value.code == "no-such-person"


async def test_a_new_account_key_gets_a_new_encryption_key(ground: Ground, ada: Person, issuers: Issuers) -> None:
    before = await Replica(ground.process("crypto"), issuers).keys.encryption(ada.account, ADDRESS)
    fresh = PrivateKey.generate()
    await ada.become(key=fresh.public, epoch=2)

    replica = Replica(ground.process("crypto"), issuers)
    after = await replica.keys.encryption(ada.account, ADDRESS)

    assert after != before
    newest = await ground.database["decryption_keys"].find_one({"serial": hexadecimal(after.serial_number)})
    assert newest is not None
    assert decryption.open_sealed(newest["wrap"], ada.account, newest["_id"], fresh)
    assert set((await replica.keys.certificates(ada.account)).values()) == {before, after}


async def test_what_ends_soon_is_renewed_in_the_background_and_the_old_key_stays(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    short = replace(ENCRYPTION_EC, valid_for=timedelta(days=20))
    old = await Replica(ground.process("crypto"), issuers, encryption=short).keys.encryption(ada.account, ADDRESS)
    replica = Replica(ground.process("crypto"), issuers)

    assert await replica.keys.renew(most=0) == 0
    assert [await replica.keys.renew(), await replica.keys.renew()] == [1, 0]

    new = await replica.keys.encryption(ada.account, ADDRESS)
    assert new.not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)
    assert list((await replica.keys.certificates(ada.account)).values()) == [old, new]
    assert new.public_key() != old.public_key()


async def test_who_is_suspended_gets_no_renewal(ground: Ground, ada: Person, issuers: Issuers) -> None:
    short = replace(ENCRYPTION_EC, valid_for=timedelta(days=20))
    await Replica(ground.process("crypto"), issuers, encryption=short).keys.encryption(ada.account, ADDRESS)
    await ada.become(status="suspended")

    assert await Replica(ground.process("crypto"), issuers).keys.renew() == 0


async def test_a_signing_certificate_that_ends_soon_is_renewed_at_its_next_use(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    short = Replica(ground.process("crypto"), issuers, signing=replace(SIGNING, valid_for=timedelta(days=20)))
    old = await short.custody.signer(ada.account, ADDRESS)
    assert (await short.custody.signer(ada.account, ADDRESS)).certificate == old.certificate
    replicas = [Replica(ground.process("crypto"), issuers) for _ in range(2)]

    new = await asyncio.gather(*(r.custody.signer(ada.account, ADDRESS) for r in replicas))

    assert {signer.certificate for signer in new}.isdisjoint({old.certificate})
    assert len({signer.certificate for signer in new}) == 1


async def test_after_a_revocation_every_replica_signs_with_one_new_key(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    first, second = (Replica(ground.process("crypto"), issuers) for _ in range(2))
    old = await first.custody.signer(ada.account, ADDRESS)
    serial = hexadecimal(old.certificate.serial_number)

    assert await first.register.revoke(serial, "keyCompromise", ada.account)
    assert not await first.register.revoke(serial, "superseded", ada.account)

    new = await first.custody.signer(ada.account, ADDRESS)
    assert new.certificate != old.certificate
    assert (await second.custody.signer(ada.account, ADDRESS)).certificate == new.certificate
    known = (await second.register.revoked())[old.certificate.serial_number]
    assert known.reason == "keyCompromise" and datetime.now(UTC) - known.when < timedelta(minutes=1)
    steps = {act["step"] for act in await ground.database["acts"].find({"subject": serial}).to_list(None)}
    assert steps == {"certificate-revoked:keyCompromise"}


async def test_a_revoked_encryption_certificate_is_followed_by_another(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    replica = Replica(ground.process("crypto"), issuers)
    old = await replica.keys.encryption(ada.account, ADDRESS)
    await replica.register.revoke(hexadecimal(old.serial_number), "superseded", ada.account)

    assert await replica.keys.encryption(ada.account, ADDRESS) != old


async def test_a_certificate_older_than_the_register_gives_way_to_one_that_can_be_revoked(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    old = await Replica(ground.process("crypto"), issuers).custody.signer(ada.account, ADDRESS)
    await ground.database["certificates"].delete_many({})
    replica = Replica(ground.process("crypto"), issuers)

    new = await replica.custody.signer(ada.account, ADDRESS)

    assert new.certificate != old.certificate
    assert await replica.register.find(hexadecimal(new.certificate.serial_number)) is not None


async def test_a_renewed_ca_issues_to_everybody_anew(ground: Ground, ada: Person, issuers: Issuers) -> None:
    before = Replica(ground.process("crypto"), issuers)
    signer, certificate = (
        await before.custody.signer(ada.account, ADDRESS), await before.keys.encryption(ada.account, ADDRESS),
    )  # fmt: skip
    root_key = serialization.load_pem_private_key((ground.home.path / "offline" / "mail-root.key").read_bytes(), None)
    root = Authority(issuers.current.root, root_key)
    renewed = renew_issuing(root, issuers.current.authority.certificate, datetime.now(UTC))
    after = Replica(ground.process("crypto"), Issuers(replace(issuers.current, authority=renewed), (issuers.current,)))

    assert renewed.issued((await after.custody.signer(ada.account, ADDRESS)).certificate)
    assert renewed.issued(await after.keys.encryption(ada.account, ADDRESS))
    for old in (signer.certificate, certificate):
        await after.register.revoke(hexadecimal(old.serial_number), "superseded", None)
    assert len(x509.load_der_x509_crl(await after.register.crl(renewed))) == 0
    assert len(x509.load_der_x509_crl(await after.register.crl(issuers.current.authority))) == 2


async def test_lists_have_rising_numbers_and_replicas_give_the_same_one(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    issuing = issuers.current.authority
    numbers = []
    for _ in range(3):
        replicas = [Replica(ground.process("crypto"), issuers) for _ in range(3)]
        lists = await asyncio.gather(*(r.register.crl(issuing) for r in replicas))
        assert len(set(lists)) == 1 and await replicas[0].register.crl(issuing) == lists[0]
        read = x509.load_der_x509_crl(lists[0])
        numbers.append(read.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
        assert len(read) == len(numbers) - 1
        signer = await replicas[0].custody.signer(ada.account, ADDRESS)
        await replicas[0].register.revoke(hexadecimal(signer.certificate.serial_number), "unspecified", None)
    assert numbers == sorted(set(numbers)) and numbers[0] >= 1


async def test_an_account_gets_so_many_certificates_in_a_day_and_no_more(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    replica = Replica(ground.process("crypto"), issuers, issues_a_day=2)
    for _ in range(2):
        signer = await replica.custody.signer(ada.account, ADDRESS)
        await replica.register.revoke(hexadecimal(signer.certificate.serial_number), "superseded", ada.account)

    with pytest.raises(Transient) as fault:
        await replica.custody.signer(ada.account, ADDRESS)
    assert fault.value.code == "certificate-limit"
    with pytest.raises(Transient):
        await replica.keys.encryption(ada.account, ADDRESS)
    assert (await replica.custody.signer(None, "postmaster@northwind.example")).certificate


async def test_of_a_certificate_that_was_revoked_readers_are_told_so(
    ground: Ground, ada: Person, issuers: Issuers
) -> None:
    replica = Replica(ground.process("crypto"), issuers)
    signer = await replica.custody.signer(ada.account, ADDRESS)
    trust = StoredTrust(issuers, replica.register)
    mail = b"From: ada@northwind.example\r\n\r\nGood morning.\r\n"
    signature = signed_data(mail, signer.key, signer.certificate, issuers.current.sent)

    async def state() -> str:
        return verify(signature, sha256(mail).digest(), ADDRESS, await trust.now(), datetime.now(UTC)).state

    assert await state() == "good"
    await replica.register.revoke(hexadecimal(signer.certificate.serial_number), "keyCompromise", ada.account)
    assert await state() == "revoked"


async def test_every_question_to_the_database_has_its_index(ground: Ground, ada: Person, issuers: Issuers) -> None:
    crowd = [
        {"_id": uuid4().hex, "account": uuid4(), "kind": "encryption", "issuer": "other", "issued": datetime.now(UTC),
         "ends": datetime.now(UTC) + timedelta(days=300)}
        for _ in range(50)
    ]  # fmt: skip
    await ground.database["certificates"].insert_many(crowd)
    await ground.database["decryption_keys"].insert_many([{"_id": uuid4().hex, "account": uuid4()} for _ in range(50)])
    await ground.database["signing_keys"].insert_many([{"_id": uuid4().hex} for _ in range(50)])
    service = ground.process("crypto")

    async with profiled(ground) as profile:
        replica = Replica(service, issuers)
        signer = await replica.custody.signer(ada.account, ADDRESS)
        await replica.keys.encryption(ada.account, ADDRESS)
        await replica.keys.certificates(ada.account)
        await replica.keys.renew()
        serial = hexadecimal(signer.certificate.serial_number)
        await replica.register.find(serial)
        await replica.register.of(ada.account)
        await replica.register.revoke(serial, "superseded", None)
        await replica.register.status(signer.certificate.serial_number, issuers.current.authority)
        await replica.register.crl(issuers.current.authority)
    assert profile.faults() == []
