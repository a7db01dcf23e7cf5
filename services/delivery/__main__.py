"""`python -m services.delivery`."""

from secumail.service import main
from services.delivery.bootstrap import wire
from services.delivery.settings import Settings

main("delivery", Settings, wire)
