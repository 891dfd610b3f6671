"""civitai-api (PyPI): its pydantic models take every answer. `base token`"""

import json
import sys

import civitai_api.v1 as api
import httpx

base, token = sys.argv[1:3]
root = f"{base}/api/v1/"
api.API_URL_V1_Creators, api.API_URL_V1_Images, api.API_URL_V1_Models = (
    root + name for name in ("creators", "images", "models")
)
api.API_URL_V1_Model_By_Id = root + "models/"
api.API_URL_ModelVersion_By_VersionId = root + "model-versions/"
api.API_URL_ModelVersion_By_Hash = root + "model-versions/by-hash/"
api.API_URL_Tags = root + "tags"
client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60)
models = api.models(client, api.Models_API_Opts(limit=5, token=token))
one = api.get_model_by_id(client, models.items[0].id)
version = api.get_model_by_versionId(client, one.modelVersions[0].id)
sha256 = client.get(f"{root}model-versions/{version.id}").json()["files"][0]["hashes"]["SHA256"]
by_hash = api.get_model_by_hash(client, sha256)
tags = api.tags(client)
creators = api.creators(client, api.Creators_API_Opts(limit=5))
print(
    json.dumps(
        {
            "models": len(models.items),
            "model": one.id,
            "version": version.id,
            "by_hash": by_hash.id,
            "tags": len(tags.items),
            "creators": [creator.username for creator in creators.items],
        }
    )
)
