"""`python -m services.stego`."""

from secumail.service import main
from services.stego.bootstrap import wire
from services.stego.settings import Settings

main("stego", Settings, wire)
