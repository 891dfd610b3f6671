"""Django settings: `development` (the default), `production` and `test`, all on `base`."""
