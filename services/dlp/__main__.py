"""`python -m services.dlp`."""

from secumail.service import main
from services.dlp.bootstrap import wire
from services.dlp.settings import Settings

main("dlp", Settings, wire)
