"""civitai-hub (PyPI): its own models take models, versions and hashes, pages and all. `base token`"""

import json
import sys

from civitai_hub.client import CivitaiClient

base, token = sys.argv[1:3]
client = CivitaiClient(token=token)
client.base_url = f"{base}/api/v1"
found = client.search_models(limit=7)
model = client.get_model(found[0].id)
version = client.get_version(model.model_versions[0].id)
print(json.dumps({"models": [one.id for one in found], "model": model.id, "version": version.id}))
