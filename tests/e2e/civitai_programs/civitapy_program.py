"""civitapy (PyPI): lists, reads, looks up by hash, downloads and checks the hash. `base token folder`"""

import json
import sys
from pathlib import Path

from civitapy import CivitAIClient

base, token, folder = sys.argv[1:4]
client = CivitAIClient(token=token, base_url=f"{base}/api/v1", download_dir=folder, verify_hash=True)
found = client.models_list(limit=100)["items"]
version = client.model_versions_get(found[0]["modelVersions"][0]["id"])
hashes = version["files"][0]["hashes"]
by_hash = {kind: client.model_versions_by_hash(value)["id"] for kind, value in hashes.items()}
client.download_model_version(version["id"])
files = sorted(path for path in Path(folder).rglob("*.safetensors"))
print(
    json.dumps(
        {
            "models": len(found),
            "enums": client.enums()["BaseModel"],
            "version": version["id"],
            "by_hash": by_hash,
            "bulk": [one["id"] for one in client.model_versions_by_hash_bulk([hashes["SHA256"]])],
            "me": client.users_me()["username"],
            "creators": [one["username"] for one in client.creators_list()["items"]],
            "tags": len(client.tags_list()["items"]),
            "images": len(client.images_list(limit=5)["items"]),
            "downloaded": [str(path) for path in files],
            "sha256": hashes["SHA256"].lower(),
        },
        default=str,
    )
)
