"""`python -m services.crypto`."""

from secumail.service import main
from services.crypto.bootstrap import wire
from services.crypto.settings import Settings

main("crypto", Settings, wire)
