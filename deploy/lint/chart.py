"""Renders the chart with each set of values, and looks at what comes out: chart.py RENDERER CHART WORK"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
from ruamel.yaml import YAML

renderer, chart, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
yaml = YAML(typ="safe")


def merged(base, over):
    """As Helm merges values files: maps by key, everything else replaced."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}


def rendered(values):
    meta = yaml.load((chart / "Chart.yaml").read_text())
    top = {
        "Values": values,
        "Chart": {"Name": meta["name"], "AppVersion": meta["appVersion"], "Version": meta["version"]},
        "Release": {"Name": "chaperone", "Namespace": "test", "Service": "Helm"},
    }
    path = work / "values.json"
    path.write_text(json.dumps(top))
    run = subprocess.run([renderer, chart, path], capture_output=True, text=True)
    require(run.stderr, run.returncode == 0)
    require(f"a template uses a value that is not there:\n{run.stdout}", "<no value>" not in run.stdout)
    return [document for document in yaml.load_all(run.stdout) if document]


def require(what, holds):
    if not holds:
        raise SystemExit(f"the chart is wrong: {what}")


def look(values, documents):
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    require(f"two things of one kind and name: {names}", len(set(names)) == len(names))

    def of(kind):
        return [document for document in documents if document["kind"] == kind]

    require("one ConfigMap, or a Secret of yours", len(of("ConfigMap")) == (0 if values["config"]["existingSecret"] else 1))
    deployments = of("Deployment")
    require("a Deployment for the API and one for each group of workers", len(deployments) == 1 + len(values["workers"]))
    server = tomllib.loads(values["config"]["file"])["server"]
    drain = server["drain_delay_seconds"] + server["drain_seconds"]
    for deployment in deployments:
        name = deployment["metadata"]["name"]
        spec = deployment["spec"]["template"]["spec"]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        wanted = deployment["spec"]["selector"]["matchLabels"]
        require(f"{name}: the selector matches its pods", wanted.items() <= labels.items())
        grace = spec["terminationGracePeriodSeconds"]
        require(f"{name}: grace {grace} is longer than draining ({drain}) and closing (20)", grace > drain + 20)
        require(f"{name}: not root", spec["securityContext"]["runAsNonRoot"] is True)
        (container,) = spec["containers"]
        require(f"{name}: a pinned image", container["image"].rsplit(":", 1)[1] not in ("", "latest"))
        require(f"{name}: limits", "memory" in container["resources"]["limits"])
        paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
        require(f"{name}: probes", paths == {"/health/live", "/health/ready"})
        budgets = [b for b in of("PodDisruptionBudget") if b["spec"]["selector"]["matchLabels"] == wanted]
        require(f"{name}: one PodDisruptionBudget", len(budgets) == 1)
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        require(f"{name}: every mount has its volume", mounts == {volume["name"] for volume in spec["volumes"]})
    gpus = []
    for deployment in deployments:
        spec = deployment["spec"]["template"]["spec"]
        if "nvidia.com/gpu" in spec["containers"][0]["resources"]["limits"]:
            gpus.append(deployment)
            require("a GPU worker is placed on GPU nodes", spec["nodeSelector"] and spec["tolerations"])
            require("a GPU worker has its image", spec["containers"][0]["image"].endswith(values["image"]["cudaTag"]))
    wanted = [name for name, worker in values["workers"].items() if (worker.get("gpu") or {}).get("enabled")]
    require(f"GPU workers are those asked for: {wanted}", len(gpus) == len(wanted))
    for scaler in of("ScaledObject") + of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]["name"]
        (target,) = [d for d in deployments if d["metadata"]["name"] == target]
        require("who scales it also says how many there are", "replicas" not in target["spec"])
    for document in of("ScaledObject"):
        require("KEDA watches a queue", document["spec"]["triggers"])
        (secret,) = of("TriggerAuthentication")
        for trigger in document["spec"]["triggers"]:
            require("KEDA knows the broker", trigger["authenticationRef"]["name"] == secret["metadata"]["name"])
    return [kind for kind, _ in names]


base = yaml.load((chart / "values.yaml").read_text())
schema = json.loads((chart / "values.schema.json").read_text())
scaled = {"enabled": True, "minReplicas": 1, "maxReplicas": 2, "cooldownSeconds": 9, "queues": [{"name": "q", "length": 5}]}
everything = {
    "config": {"existingSecret": "mine"},
    "serviceMonitor": {"enabled": True},
    "api": {"autoscaling": {"enabled": False}, "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]},
    "image": {"pullSecrets": [{"name": "pull"}]},
    "podAnnotations": {"a": "b"},
    "serviceAccount": {"annotations": {"a": "b"}},
    "workers": {"frames": {"gpu": {"enabled": True}, "autoscaling": scaled}},
}
sets = {"values.yaml": {}, "everything": everything}
sets |= {path.name: yaml.load(path.read_text()) for path in sorted(chart.glob("values-*.yaml"))}
for name, over in sets.items():
    values = merged(base, over)
    jsonschema.validate(values, schema)
    kinds = look(values, rendered(values))
    print(f"{name}: {len(kinds)} things: {', '.join(sorted(set(kinds)))}")
for wrong in ({"image": {"tag": "latest"}}, {"workers": {"a": {"lanes": ["fast"]}}}, {"typo": 1}):
    try:
        jsonschema.validate(merged(base, wrong), schema)
    except jsonschema.ValidationError:
        continue
    raise SystemExit(f"the schema lets through {wrong}")
