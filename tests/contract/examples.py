"""One example of everything that services say to each other: the golden files are written from these."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from pydantic import BaseModel

from secumail.contracts.claims import SealedClaim
from secumail.contracts.commands import Command, Done, Reply
from secumail.contracts.commands.auth import (
    AccountList,
    AccountRow,
    Grant,
    ListAccounts,
    LoggedIn,
    LogIn,
    Register,
    Registered,
    SetRoles,
    SetStatus,
)
from secumail.contracts.commands.certificates import (
    AskOcsp,
    CertificateList,
    CertificateRow,
    CertificateShown,
    ExportCertificate,
    Exported,
    GetCertificate,
    GetCrl,
    GetIssuer,
    ListCertificates,
    OcspAnswer,
    PersonsCertificate,
    Published,
    RevokeCertificate,
    ShowCertificate,
)
from secumail.contracts.commands.crypto import AuthorityReply, GetAuthority, SignatureVerdict, VerifySignature
from secumail.contracts.commands.dlp import (
    ChangedReply,
    ChangeLists,
    Foreseen,
    GetLists,
    GetListsHistory,
    GetWords,
    HandedMail,
    HistoryReply,
    ListsReply,
    ListsVersion,
    LoggedMail,
    PutLists,
    PutWords,
    Reject,
    Release,
    ReleaseReply,
    Scan,
    ScanReply,
    TriedMail,
    TriedReply,
    TriedTerm,
    TryLists,
    WordsReply,
)
from secumail.contracts.commands.keys import FormerKeysUnused, RenewAccount, RenewGrant, ShredAccount, ShredKeys
from secumail.contracts.commands.openpgp import (
    AddPeer,
    ConfirmPeer,
    FindOpenPGPKey,
    GetOpenPGPKey,
    ListPeers,
    OpenPGPKey,
    Peer,
    PeerList,
    PeerRow,
    RemovePeer,
)
from secumail.contracts.commands.protection import (
    ChooseForms,
    DecryptionKey,
    FormRow,
    Forms,
    Layer,
    OpenedMail,
    OpenMail,
)
from secumail.contracts.commands.stego import (
    AddCover,
    CoverAdded,
    CoversJudged,
    JudgeCovers,
    JudgedCover,
    LibraryReply,
    LibraryRow,
    ListCovers,
    RemoveCover,
    Revealed,
    RevealPictures,
    Room,
)
from secumail.contracts.events import (
    AccountChanged,
    Event,
    MailBlocked,
    MailBounced,
    MailConcealed,
    MailDeferred,
    MailDelivered,
    MailEncrypted,
    MailFiltered,
    MailRejected,
    MailSetAside,
    MailSubmitted,
)

MAIL = UUID("0b6f0a52-7f0d-5a0e-8d5e-3f1f6f2b9c11")
ACCOUNT = UUID("5a3b2c1d-0000-4000-8000-00000000a001")
SERIAL = "1f6f2b9c110b6f0a527f0d5a0e8d5e3f1f6f2b9c"
CERTIFICATE = CertificateRow(
    serial=SERIAL,
    kind="signing",
    account=ACCOUNT,
    address="ada@northwind.example",
    begins=datetime(2026, 11, 22, 12, tzinfo=UTC),
    ends=datetime(2027, 11, 22, 12, tzinfo=UTC),
    status="revoked",
    revoked=datetime(2026, 11, 23, 12, tzinfo=UTC),
    reason="keyCompromise",
)
FINGERPRINT = "2CC8E702A226925DC8C8D713F07AA5F487D39D5C"
PEER_ID = "0123456789abcdef0123456789abcdef"
PEER = PeerRow(
    id=PEER_ID,
    address="bob@elsewhere.example",
    kind="openpgp",
    fingerprint=FINGERPRINT,
    state="changed",
    words="Another key was seen for this address.",
    learned_from="upload",
    learned=datetime(2026, 11, 22, 12, tzinfo=UTC),
    ends=datetime(2028, 11, 21, 12, tzinfo=UTC),
    other="57404B6155A780BA33CF75495CD55F73437482E8",
)
OPENPGP_KEY = OpenPGPKey(
    address="ada@northwind.example",
    fingerprint=FINGERPRINT,
    ends=datetime(2028, 11, 21, 12, tzinfo=UTC),
    certificate="xjMEZw==",
    armored="-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
)
PEM = "-----BEGIN CERTIFICATE-----\n"


def claim(by: str, to: str, says: str) -> SealedClaim:
    """A claim of the real size: two transit keys in a hybrid wrap, an Ed25519 signature."""
    wrap, signature = base64.b64encode(bytes(1200)).decode(), base64.b64encode(bytes(64)).decode()
    return SealedClaim(by=by, to=to, key=f"{to}/20261122T16", wrap=wrap, says=says, signature=signature)


EVENTS: tuple[Event | AccountChanged, ...] = (
    MailSubmitted(mail=MAIL, size=1024, recipients=2, claim=claim("gateway", "dlp", "submission")),
    MailSetAside(mail=MAIL, size=1024, claim=claim("dlp", "dlp", "submission")),
    MailFiltered(
        mail=MAIL, generation=1, size=1024, verdict="released", claim=claim(f"account:{ACCOUNT}", "crypto", "released")
    ),
    MailBlocked(mail=MAIL, reason="black-word"),
    MailRejected(mail=MAIL, reason="rejected-by-reviewer"),
    MailEncrypted(mail=MAIL, size=4096, route="conceal", claim=claim("crypto", "stego", "signed")),
    MailConcealed(mail=MAIL, size=65536, claim=claim("stego", "delivery", "sealed")),
    MailDelivered(mail=MAIL, delivered=2),
    MailDeferred(mail=MAIL, recipient=1, attempt=3, reason="mailbox-busy"),
    MailBounced(mail=MAIL, bounced=1, reason="unknown-recipient"),
    AccountChanged(account=ACCOUNT, change="suspended", revision=7),
)

COMMANDS: tuple[Command, ...] = (
    LogIn(address="ada@northwind.example", password="correct horse"),
    Register(
        address="ada@northwind.example", display_name="Ada", password="correct horse", roles=("member", "reviewer")
    ),
    ListAccounts(),
    SetRoles(account=ACCOUNT, roles=("member", "administrator")),
    SetStatus(account=ACCOUNT, status="suspended"),
    Grant(group="reviewers", account=ACCOUNT, wrap="d3JhcA=="),
    GetLists(),
    PutLists(lists="{}", expects=3),
    ChangeLists(fields='{"white_mode": "strict"}', expects=3),
    GetWords(number=3),
    PutWords(words="term,threshold,scope\n", expects=3),
    TryLists(
        words="falcon,2\n",
        held=(
            HandedMail(id=MAIL, mail="RnJvbTo=", sender="ada@northwind.example", recipients=("eve@elsewhere.example",)),
        ),
        logged=(LoggedMail(id=MAIL, recipients=("eve@elsewhere.example",), terms={"00": 2}),),
    ),
    GetListsHistory(),
    Scan(mail="RnJvbTo=", sender="ada@northwind.example", recipients=("eve@elsewhere.example",)),
    Release(mail=MAIL, generation=0, claim=claim(f"account:{ACCOUNT}", "crypto", "released")),
    Reject(mail=MAIL, generation=0),
    VerifySignature(signature="MIIB", sha256="00" * 32, sender="ada@northwind.example"),
    GetAuthority(),
    ListCertificates(every=True, after=SERIAL),
    ShowCertificate(serial=SERIAL),
    RevokeCertificate(serial=SERIAL, reason="keyCompromise"),
    GetCertificate(address="ada@northwind.example"),
    ExportCertificate(serial=SERIAL, password="seven green kettles", format="legacy", secret="a2V5"),
    GetCrl(issuer="0123456789abcdef"),
    GetIssuer(issuer="0123456789abcdef"),
    AskOcsp(request="MAA="),
    ChooseForms(account=ACCOUNT, recipients=("bob@northwind.example",), form="smime"),
    OpenMail(account=ACCOUNT, mail="RnJvbTo=", keys=(DecryptionKey(id="smime/1", kind="smime", secret="c2VjcmV0"),)),
    ListPeers(),
    AddPeer(address="bob@elsewhere.example", key="xjMEZw==", everyone=True),
    ConfirmPeer(id=PEER_ID, fingerprint=FINGERPRINT),
    RemovePeer(id=PEER_ID),
    GetOpenPGPKey(address="ada@northwind.example"),
    FindOpenPGPKey(hashed="iy9q119eutrkn8s1mk4r39qejnbu3n5q", local_part="ada", domain="northwind.example"),
    ShredAccount(account=ACCOUNT),
    ShredKeys(account=ACCOUNT),
    RenewAccount(account=ACCOUNT),
    RenewGrant(group="reviewers", wrap="d3JhcA=="),
    FormerKeysUnused(),
    RevealPictures(images=("iVBORw0KGgo=", "/9j/"), key="a2V5"),
    JudgeCovers(images=("iVBORw0KGgo=",)),
    AddCover(file_name="IMG_2031.JPG", image="/9j/"),
    ListCovers(),
    RemoveCover(id=MAIL),
)

ROOM = Room(careful=3516, normal=8916, maximum=71916)
COVER = LibraryRow(
    id=MAIL,
    name="IMG_2031.JPG",
    kind="jpeg",
    width=4000,
    height=3000,
    size=2_400_000,
    room=ROOM,
    roughness=12.5,
    at=datetime(2026, 11, 22, 12, tzinfo=UTC),
    actor=ACCOUNT,
)

REPLIES: Mapping[str, Reply] = {
    "auth.log-in": LoggedIn(
        account=ACCOUNT, address="ada@northwind.example", display_name="Ada", roles=("member",), bundle="a2V5cw=="
    ),
    "auth.register": Registered(account=ACCOUNT),
    "auth.list-accounts": AccountList(
        accounts=(
            AccountRow(
                account=ACCOUNT, address="ada@northwind.example", display_name="Ada", roles=("member",), status="active"
            ),
        )
    ),
    "auth.set-roles": Done(),
    "auth.set-status": Done(),
    "auth.grant": Done(),
    "crypto.choose-forms": Forms(rows=(FormRow(form="smime-gcm", because="wish", words="Signed and encrypted."),)),
    "crypto.open-mail": OpenedMail(
        mail="RnJvbTo=",
        layers=(Layer(kind="smime-gcm", state="opened", words="Encrypted, and unchanged since."),),
        signature=SignatureVerdict(state="good", words="Signed by its sender."),
    ),
    "dlp.get-lists": ListsReply(lists="{}"),
    "dlp.put-lists": ListsReply(lists="{}"),
    "dlp.change-lists": ChangedReply(number=4),
    "dlp.get-words": WordsReply(words="term,threshold,scope\n", number=4),
    "dlp.put-words": ChangedReply(number=4),
    "dlp.try-lists": TriedReply(
        held=(TriedMail(id=MAIL, now=("hold black-word",), then=("pass clean",)),),
        sent=(MAIL,),
        terms=(TriedTerm(term="falcon", mails=1),),
    ),
    "dlp.lists-history": HistoryReply(
        versions=(ListsVersion(number=4, at=datetime(2026, 11, 22, 12, tzinfo=UTC), actor=ACCOUNT),)
    ),
    "dlp.scan": ScanReply(verdicts=(Foreseen(recipients=(0,), action="hold", code="black-word", notice="It waits."),)),
    "dlp.release": ReleaseReply(),
    "dlp.reject": Done(),
    "crypto.verify-signature": SignatureVerdict(
        state="good", words="Signed by its sender.", signer="ada@northwind.example", issuer="Northwind", serial="01"
    ),
    "crypto.get-authority": AuthorityReply(pem="-----BEGIN CERTIFICATE-----\n"),
    "crypto.list-certificates": CertificateList(certificates=(CERTIFICATE,), more=True),
    "crypto.show-certificate": CertificateShown(certificate=CERTIFICATE, pem=PEM),
    "crypto.revoke-certificate": CertificateShown(certificate=CERTIFICATE, pem=PEM),
    "crypto.get-certificate": PersonsCertificate(pem=PEM),
    "crypto.export-certificate": Exported(p12="MIIB", filename="signing-1f6f2b9c.p12"),
    "crypto.get-crl": Published(der="MIIB"),
    "crypto.get-issuer": Published(der="MIIB"),
    "crypto.ask-ocsp": OcspAnswer(response="MAMKAQE="),
    "crypto.list-peers": PeerList(peers=(PEER,)),
    "crypto.add-peer": Peer(peer=PEER),
    "crypto.confirm-peer": Peer(peer=PEER),
    "crypto.remove-peer": Done(),
    "crypto.get-openpgp-key": OPENPGP_KEY,
    "crypto.find-openpgp-key": OPENPGP_KEY,
    "stego.reveal-pictures": Revealed(payload="cGF5bG9hZA=="),
    "stego.judge-covers": CoversJudged(
        covers=(
            JudgedCover(kind="png", width=800, height=600, room=ROOM, notes=("The BMP is written as PNG.",)),
            JudgedCover(code="cover-smooth", words="The picture is too smooth.", fix="Choose one with texture."),
        ),
        together=ROOM,
    ),
    "stego.add-cover": CoverAdded(cover=COVER),
    "stego.list-covers": LibraryReply(covers=(COVER,)),
    "stego.remove-cover": Done(),
    "auth.shred-account": Done(),
    "crypto.shred-keys": Done(),
    "auth.renew-account": Done(),
    "auth.renew-grant": Done(),
    "auth.former-keys-unused": Done(),
}
"""By the name of the command they answer."""


def wire(said: BaseModel) -> bytes:
    """What is sent: an event's own encoding, anything else as JSON."""
    return said.encode() if isinstance(said, Event | AccountChanged) else said.model_dump_json().encode()


def all_examples() -> dict[str, BaseModel]:
    """By the name of the golden file: `<type>.v<n>`, and `<command>.reply.v<n>` for an answer."""
    named: dict[str, BaseModel] = {f"{event.type}.v{event.version}": event for event in EVENTS}
    for command in COMMANDS:
        named[f"{command.name}.v{command.version}"] = command
        named[f"{command.name}.reply.v{command.version}"] = REPLIES[command.name]
    return named
