"""7-Zip, which reads AES-encrypted zip archives (Debian: 7zip)."""

from pathlib import Path

from tests.interop.peers.running import run


class SevenZip:
    """Works on files in `home`."""

    name = "7-Zip"

    def __init__(self, home: Path) -> None:
        self.home = home

    def close(self) -> None:
        """Nothing of it keeps running."""

    def version(self) -> str:
        return " ".join(run("7zz", "--help").out.decode().split()[:3])

    def read(self, archive: bytes, password: str) -> dict[str, bytes]:
        """Every file of the archive by its name."""
        file = self.home / "archive.zip"
        file.write_bytes(archive)
        target = self.home / "unpacked"
        ran = run("7zz", "x", "-y", f"-p{password}", f"-o{target}", file)
        if ran.code:
            ran.refused("ERROR", "Wrong password")
        return {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()}

    def write(self, name: str, content: bytes, password: str) -> bytes:
        """An archive of one file under AES-256."""
        file = self.home / "written.zip"
        file.unlink(missing_ok=True)
        ran = run("7zz", "a", "-tzip", "-mem=AES256", f"-p{password}", f"-si{name}", file, given=content)
        if ran.code:
            ran.refused("ERROR")
        return file.read_bytes()
