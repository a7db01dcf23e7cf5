"""Every case, in the order of the table."""

from tests.interop import mails, openpgp, smime

CASES = (*mails.cases(), *smime.cases(), *openpgp.cases())
