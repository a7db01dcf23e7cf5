"""The keys an installation starts with: scope keys, the services' public identities, the authority."""

from secumail.installation.home import Home, private_directory


def prepare_keys(home: Home) -> None:
    """Makes the directories that hold the installation's keys."""
    private_directory(home.keys)
    private_directory(home.authority)
