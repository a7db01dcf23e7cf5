"""`python -m services.gateway`."""

from secumail.service import main
from services.gateway.bootstrap import wire
from services.gateway.settings import Settings

main("gateway", Settings, wire)
