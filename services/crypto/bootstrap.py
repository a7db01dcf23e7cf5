"""crypto, wired."""

from secumail.audit import Acts
from secumail.contracts.commands.certificates import (
    AskOcsp,
    ExportCertificate,
    GetCertificate,
    GetCrl,
    GetIssuer,
    ListCertificates,
    RevokeCertificate,
    ShowCertificate,
)
from secumail.contracts.commands.crypto import GetAuthority, VerifySignature
from secumail.contracts.commands.keys import ShredKeys
from secumail.contracts.commands.openpgp import (
    AddPeer,
    ConfirmPeer,
    FindOpenPGPKey,
    GetOpenPGPKey,
    ListPeers,
    RemovePeer,
)
from secumail.contracts.commands.protection import ChooseForms, OpenMail
from secumail.contracts.events import MailFiltered
from secumail.service import Service
from services.crypto.adapters.authority_files import load
from services.crypto.adapters.certificates import Register
from services.crypto.adapters.custody import StoredCustody
from services.crypto.adapters.encryption_keys import StoredEncryptionKeys
from services.crypto.adapters.openpgp_keys import StoredOpenPGPKeys
from services.crypto.adapters.peers import StoredPeers
from services.crypto.adapters.trust import StoredTrust
from services.crypto.forms import Policy
from services.crypto.handlers.certificates import Certificates
from services.crypto.handlers.forms import Chooser
from services.crypto.handlers.openpgp import OpenPGP
from services.crypto.handlers.protection import Protection
from services.crypto.handlers.reading import Reading
from services.crypto.handlers.shredding import Shredding
from services.crypto.rate import Rate
from services.crypto.settings import Settings


async def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("crypto", settings)
    issuers = await load(settings.authority, service.keys["crypto.authority"])
    acts = Acts(service.database["acts"])
    scope = service.keys["crypto.signing"]
    register = Register(service.database["certificates"], service.database["crls"], scope, acts, settings.issues_a_day)
    custody = StoredCustody(service.database["signing_keys"], scope, issuers, settings.signing, register)
    keys = StoredEncryptionKeys(
        service.database["decryption_keys"], scope, issuers, settings.encryption, register, service.directory
    )
    certificates = Certificates(register, issuers, custody, keys, service.directory, acts, settings.export_signing_keys)
    openpgp_keys = StoredOpenPGPKeys(
        service.database["openpgp_keys"], service.database["decryption_keys"], scope, service.directory, acts
    )
    peers = StoredPeers(service.database["peers"], scope, acts)
    openpgp = OpenPGP(openpgp_keys, peers, service.directory, settings.domains)
    chooser = Chooser(service.directory, settings.domains, peers, Policy(settings.form_inside, settings.form_outside))
    trusted = StoredTrust(issuers, register, settings.other_roots())
    reading = Reading(trusted.now, keys, openpgp_keys, peers, settings.domains)
    protection = Protection(
        service.spool,
        service.claims,
        service.transport,
        service.directory,
        custody,
        keys,
        openpgp_keys,
        chooser,
        issuers.current.sent,
        settings.domains,
        Rate(settings.signatures_a_minute, 60),
    )
    service.work.handle("mail.filtered", MailFiltered, protection.on_filtered)
    service.answering.on(VerifySignature, reading.verify_signature)
    service.answering.on(GetAuthority, reading.get_authority)
    service.answering.on(OpenMail, reading.open_mail)
    service.answering.on(ChooseForms, chooser.answer)
    service.answering.on(ListCertificates, certificates.list_certificates)
    service.answering.on(ShowCertificate, certificates.show_certificate)
    service.answering.on(RevokeCertificate, certificates.revoke_certificate)
    service.answering.on(GetCertificate, certificates.get_certificate)
    service.answering.on(ExportCertificate, certificates.export_certificate)
    service.answering.on(GetCrl, certificates.get_crl)
    service.answering.on(GetIssuer, certificates.get_issuer)
    service.answering.on(AskOcsp, certificates.ask_ocsp)
    shredding = Shredding(service.database, register, service.directory, acts)
    service.answering.on(ShredKeys, shredding.shred_keys)
    service.answering.on(ListPeers, openpgp.list_peers)
    service.answering.on(AddPeer, openpgp.add_peer)
    service.answering.on(ConfirmPeer, openpgp.confirm_peer)
    service.answering.on(RemovePeer, openpgp.remove_peer)
    service.answering.on(GetOpenPGPKey, openpgp.get_key)
    service.answering.on(FindOpenPGPKey, openpgp.find_key)
    service.in_background(keys.run)
    return service
