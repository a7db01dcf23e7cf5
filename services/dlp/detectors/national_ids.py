"""The national identification numbers that are looked for, by country, with the check of each (python-stdnum).

A number that looks like nothing else (a letter in its place, a date, a written form, two check digits) is taken
alone. One that is only a run of digits with one check digit, of which a tenth of all digit runs pass, is taken after a
word that announces it: between the two stand no digits, and at most sixty bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from stdnum.au import tfn
from stdnum.be import nn
from stdnum.bg import egn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.cz import rc
from stdnum.de import idnr as german_idnr
from stdnum.dk import cpr
from stdnum.ee import ik
from stdnum.es import dni, nie
from stdnum.exceptions import ValidationError
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.gr import amka
from stdnum.hr import oib
from stdnum.ie import pps
from stdnum.il import idnr as israeli_idnr
from stdnum.in_ import aadhaar, pan
from stdnum.it import codicefiscale
from stdnum.jp import in_ as my_number
from stdnum.kr import rrn
from stdnum.lt import asmens
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.pt import nif
from stdnum.ro import cnp
from stdnum.se import personnummer
from stdnum.th import pin
from stdnum.tr import tckimlik
from stdnum.us import itin, ssn
from stdnum.za import idnr as south_african_idnr

Validate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class NationalId:
    """A kind of number: the rule's name, its written form (RE2), its check, and the words that announce it, if any."""

    rule: str
    form: str
    validate: Validate
    after: str = ""

    @property
    def pattern(self) -> str:
        if self.after:
            # No \b before the word: to the engines a letter outside ASCII is no word character.
            return rf"(?i)(?:^|[^0-9A-Za-z])(?:{self.after})(?:[^0-9A-Za-z][^0-9]{{0,60}})?({self.form})\b"
        return rf"\b({self.form})\b"

    def holds(self, value: str) -> bool:
        """Whether the check digits and dates of `value` are those of a real number."""
        try:
            self.validate(value)
        except ValidationError:
            return False
        return True


def _us_ssn(value: str) -> str:
    # Numbers from advertisements and documentation, which were never issued or withdrawn, stdnum refuses itself.
    return ssn.validate(value.replace(" ", "-"))


def _uk_nino(value: str) -> str:
    # HMRC, National Insurance Manual NIM39110: these prefixes are not allocated.
    if value[:2].upper() in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ"):
        raise ValidationError
    return value


_DIGITS_3_3_3 = r"\d{3}[ -]?\d{3}[ -]?\d{3}"

KINDS = (
    NationalId("us-ssn", r"\d{3}-\d{2}-\d{4}", _us_ssn),
    NationalId("us-ssn", r"\d{3}[ -]?\d{2}[ -]?\d{4}", _us_ssn, r"ssn|social security(?: (?:number|no|nr))?"),
    NationalId("us-itin", r"9\d{2}-\d{2}-\d{4}", itin.validate, "itin|taxpayer"),
    NationalId("uk-nino", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \d{2} \d{2} \d{2} [A-D]", _uk_nino),
    NationalId("uk-nino", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", _uk_nino, "nino|national insurance|ni"),
    NationalId("uk-nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", nhs.validate, "nhs"),
    NationalId("ie-pps", r"\d{7}[A-W][A-IW]?", pps.validate, "ppsn?|ppsn? (?:number|no)"),
    NationalId(
        "de-idnr",
        r"\d{2} ?\d{3} ?\d{3} ?\d{3}",
        german_idnr.validate,
        r"steuer-?id(?:nr|entifikationsnummer)?|steuerliche identifikationsnummer|idnr|identifikationsnummer|tin",
    ),
    NationalId("ch-ahv", r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}", ahv.validate),
    NationalId("fr-nir", r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", nir.validate),
    NationalId("es-dni", r"\d{8}-?[A-HJ-NP-TV-Z]", dni.validate, "dni|nif|documento nacional"),
    NationalId("es-nie", r"[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]", nie.validate),
    NationalId("it-codice-fiscale", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", codicefiscale.validate),
    NationalId("pt-nif", _DIGITS_3_3_3, nif.validate, "nif|contribuinte"),
    NationalId("nl-bsn", r"\d{4}\.?\d{2}\.?\d{3}", bsn.validate, "bsn|burgerservicenummer|sofi-?nummer"),
    NationalId("be-rrn", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", nn.validate),
    NationalId("be-rrn", r"\d{11}", nn.validate, "rijksregisternummer|numéro national|registre national|insz|niss"),
    NationalId("dk-cpr", r"\d{6}-?\d{4}", cpr.validate, "cpr(?:-?(?:nr|nummer))?|personnummer"),
    NationalId(
        "se-personnummer",
        r"(?:\d{2})?\d{6}[-+]?\d{4}",
        personnummer.validate,
        "personnummer|personnr|pnr|samordningsnummer",
    ),
    NationalId("no-fnr", r"\d{6} ?\d{5}", fodselsnummer.validate, "fødselsnummer|fodselsnummer|personnummer|fnr"),
    NationalId("fi-hetu", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", hetu.validate),
    NationalId("pl-pesel", r"\d{11}", pesel.validate, "pesel"),
    NationalId("cz-rc", r"\d{6}/\d{4}", rc.validate),
    NationalId("ro-cnp", r"[1-8]\d{12}", cnp.validate, "cnp|cod numeric personal"),
    NationalId("bg-egn", r"\d{10}", egn.validate, "egn|егн"),
    NationalId("hr-oib", r"\d{11}", oib.validate, "oib"),
    NationalId("gr-amka", r"\d{11}", amka.validate, "amka|αμκα"),
    NationalId("ee-ik", r"[1-6]\d{10}", ik.validate, "isikukood|ik"),
    NationalId("lt-ak", r"[1-6]\d{10}", asmens.validate, "asmens kodas"),
    NationalId("tr-tc", r"[1-9]\d{10}", tckimlik.validate, r"t\.?c\.?|kimlik(?: no)?|tckn"),
    NationalId("il-id", r"\d{9}", israeli_idnr.validate, "teudat zehut|israeli id|ת\\.?ז"),
    NationalId("br-cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", cpf.validate),
    NationalId("br-cpf", r"\d{11}", cpf.validate, "cpf"),
    NationalId("cl-rut", r"\d{1,2}\.\d{3}\.\d{3}-[0-9Kk]", rut.validate),
    NationalId("mx-curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d", curp.validate),
    NationalId("ca-sin", _DIGITS_3_3_3, sin.validate, "sin|social insurance(?: (?:number|no))?|nas"),
    NationalId("au-tfn", r"\d{3} ?\d{3} ?\d{2,3}", tfn.validate, "tfn|tax file(?: (?:number|no))?"),
    NationalId("za-id", r"\d{13}", south_african_idnr.validate, "id(?: (?:number|no|nr))?|identity number"),
    NationalId("in-aadhaar", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", aadhaar.validate, "aadhaar|aadhar|uidai|uid"),
    NationalId("in-pan", r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", pan.validate, "pan|permanent account"),
    NationalId("cn-ric", r"[1-9]\d{5}(?:19|20)\d{2}[01]\d[0-3]\d{4}[0-9Xx]", ric.validate),
    NationalId("kr-rrn", r"\d{6}-\d{7}", rrn.validate),
    NationalId(
        "jp-my-number",
        r"\d{4}[ -]?\d{4}[ -]?\d{4}",
        my_number.validate,
        "my number|individual number|マイナンバー|個人番号",
    ),
    NationalId("th-pin", r"[1-8]-\d{4}-\d{5}-\d{2}-\d", pin.validate),
)
