"""`python -m services.auth`."""

from secumail.service import main
from services.auth.bootstrap import wire
from services.auth.settings import Settings

main("auth", Settings, wire)
