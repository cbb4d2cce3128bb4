"""A typed client that openapi-python-client made of our OpenAPI document: it imports as a whole, and its calls work."""

import importlib
import os
import pkgutil
import sys

sys.path.insert(0, sys.argv[1])
import chaperone_client  # noqa: E402

modules = [module.name for module in pkgutil.walk_packages(chaperone_client.__path__, "chaperone_client.")]
for module in modules:
    importlib.import_module(module)
assert len(modules) > 100, modules

from chaperone_client import AuthenticatedClient  # noqa: E402
from chaperone_client.api.judge import check  # noqa: E402
from chaperone_client.models import NewItem  # noqa: E402

client = AuthenticatedClient(base_url=os.environ["CHAPERONE_URL"], token=os.environ["CHAPERONE_KEY"])
verdict = check.sync(client=client, body=NewItem.from_dict({"text": "fake:insult=0.93"}), dry_run=True)
assert verdict.action == "warn" and verdict.flagged, verdict
print("ok")
