"""What a token may be allowed to do."""

from enum import StrEnum


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"  # upload, edit, withdraw
    DOWNLOAD = "download"  # pass the gate in the owner's name
    ADMIN = "admin"  # organisations and tokens


MEANINGS = {
    Scope.READ: "Read everything you may see",
    Scope.WRITE: "Upload, edit and withdraw adapters",
    Scope.DOWNLOAD: "Pass the download gate in your name",
    Scope.ADMIN: "Manage organisations, members and tokens",
}
