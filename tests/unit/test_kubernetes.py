"""The Kubernetes manifests hold to the API's schemas and to our policies; broken on purpose, they do not."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from jsonschema import ValidationError

from tests.deploy_files import ALERTS, DEPLOY, port_of
from tests.documents import check_arguments
from tests.vendored_schemas import kafka_trigger, resource_validator
from worker.settings import Settings, ShutdownSettings

KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = ("cpu", "gpu")
CUSTOM = ("monitoring.coreos.com/v1", "keda.sh/v1alpha1")
FOLDERS = {**{name: f"overlays/{name}" for name in OVERLAYS}, "backfill": "backfill"}
API = "1.34"
LEAVE_AND_CLOSE_SECONDS = 20

Manifest = dict[str, Any]


@cache
def _render(folder: Path) -> str:
    program = [shutil.which("kustomize") or "", "build"] if shutil.which("kustomize") else ["kubectl", "kustomize"]
    if shutil.which(program[0]) is None:
        pytest.skip("neither kubectl nor kustomize is here; install kubectl 1.21 or later")
    done = subprocess.run([*program, str(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(overlay: str) -> list[Manifest]:
    """What `kubectl apply -k` would send, in fresh objects."""
    return list(yaml.safe_load_all(_render(KUBERNETES / FOLDERS[overlay])))


def of_kind(manifests: list[Manifest], kind: str) -> Manifest:
    """The one manifest of that kind."""
    (found,) = [one for one in manifests if one["kind"] == kind]
    return found


def faults(workload: Manifest) -> Iterator[str]:
    """What a pod template breaks of our policies."""
    pod = workload["spec"]["template"]["spec"]
    security = pod.get("securityContext", {})
    if not security.get("runAsNonRoot") or not security.get("runAsUser", 0):
        yield "runs as root, or may"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "no seccomp profile"
    if pod.get("enableServiceLinks", True) or pod.get("automountServiceAccountToken", True):
        yield "service links or a token for the cluster's API"
    for container in pod["containers"]:
        yield from _container_faults(container)


def _container_faults(container: Manifest) -> Iterator[str]:
    security = container.get("securityContext", {})
    if not security.get("readOnlyRootFilesystem"):
        yield "writable root"
    if security.get("allowPrivilegeEscalation", True) or security.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "privileges"
    resources = container.get("resources", {})
    for kind in ("requests", "limits"):
        if not {"cpu", "memory"} <= resources.get(kind, {}).keys():
            yield f"no {kind}"
    if not {"startupProbe", "livenessProbe"} <= container.keys():
        yield "no probes"
    if any("value" in one and ("PASSWORD" in one["name"] or "://" in one["value"]) for one in container["env"]):
        yield "a secret in plain sight"


@pytest.mark.parametrize("overlay", FOLDERS)
def test_manifests_hold_to_the_api(overlay: str) -> None:
    """Each object is valid by the API server's own schema, or its operator's, unknown fields refused."""
    for manifest in rendered(overlay):
        if manifest["apiVersion"] in CUSTOM:
            resource_validator(manifest["kind"]).validate(manifest)
        else:
            kubernetes_validate.validate(manifest, API, strict=True)


@pytest.mark.parametrize("kind", ["ServiceMonitor", "ScaledObject", "PrometheusRule"])
def test_a_misspelt_field_of_an_operator_is_found(kind: str) -> None:
    """The operators' schemas refuse what they do not know."""
    resource = of_kind(rendered("cpu"), kind)
    resource["spec"]["intervall"] = "15s"
    with pytest.raises(ValidationError, match="intervall"):
        resource_validator(kind).validate(resource)


def test_a_misspelt_field_is_found() -> None:
    """The check above can fail: a field that the API does not know is refused."""
    workload = of_kind(rendered("cpu"), "StatefulSet")
    workload["spec"]["template"]["spec"]["terminationGracePeriod"] = 45
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(workload, API, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_policies_hold(overlay: str) -> None:
    """Nobody's root, nothing to write on, limits, probes, no token, secrets by reference."""
    assert list(faults(of_kind(rendered(overlay), "StatefulSet"))) == []


def _container(workload: Manifest) -> Manifest:
    found: Manifest = workload["spec"]["template"]["spec"]["containers"][0]
    return found


BREAKS: dict[str, Callable[[Manifest], Any]] = {
    "runs as root, or may": lambda w: w["spec"]["template"]["spec"]["securityContext"].update(runAsUser=0),
    "no seccomp profile": lambda w: w["spec"]["template"]["spec"]["securityContext"].pop("seccompProfile"),
    "no limits": lambda w: _container(w)["resources"].pop("limits"),
    "writable root": lambda w: _container(w)["securityContext"].pop("readOnlyRootFilesystem"),
    "privileges": lambda w: _container(w)["securityContext"].pop("capabilities"),
    "no probes": lambda w: _container(w).pop("livenessProbe"),
    "a secret in plain sight": lambda w: _container(w)["env"].append({"name": "X", "value": "redis://:pw@cache"}),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_policies_find_what_breaks_them(fault: str) -> None:
    """Each policy fails on a manifest that breaks it, and on nothing else."""
    workload = copy.deepcopy(of_kind(rendered("cpu"), "StatefulSet"))
    BREAKS[fault](workload)
    assert list(faults(workload)) == [fault]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_grace_period_leaves_room_for_the_drain(overlay: str) -> None:
    """Kubernetes waits for the drain that the settings allow, for leaving the group, and for closing."""
    manifests = rendered(overlay)
    settings = of_kind(manifests, "ConfigMap")["data"]
    drain = float(settings.get("HANGTAG_SHUTDOWN__DRAIN_SECONDS", ShutdownSettings().drain_seconds))
    pod = of_kind(manifests, "StatefulSet")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= drain + LEAVE_AND_CLOSE_SECONDS


def test_egress_leaves_private_addresses_out() -> None:
    """Public addresses on 80 and 443; no private range, no metadata service."""
    egress = of_kind(rendered("cpu"), "NetworkPolicy")["spec"]["egress"]
    (public,) = [rule for rule in egress if any("ipBlock" in to for to in rule["to"])]
    assert {port["port"] for port in public["ports"]} == {80, 443}
    left_out = public["to"][0]["ipBlock"]["except"]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"} <= set(left_out)


def test_scaling_follows_lag_by_partition() -> None:
    """KEDA keeps one worker at least, wakes no more than partitions with lag, and owns the number alone."""
    manifests = rendered("cpu")
    scaled = of_kind(manifests, "ScaledObject")["spec"]
    (trigger,) = scaled["triggers"]
    assert scaled["minReplicaCount"] >= 1
    assert trigger["metadata"]["limitToPartitionsWithLag"] == "true"
    workload = of_kind(manifests, "StatefulSet")
    assert scaled["scaleTargetRef"] == {"kind": "StatefulSet", "name": workload["metadata"]["name"]}
    assert "replicas" not in workload["spec"]
    settings = of_kind(manifests, "ConfigMap")["data"]
    assert trigger["metadata"]["consumerGroup"] == settings["HANGTAG_KAFKA__GROUP_ID"]
    assert trigger["metadata"]["bootstrapServers"] == settings["HANGTAG_KAFKA__BOOTSTRAP_SERVERS"]


def test_the_trigger_says_what_its_scaler_reads() -> None:
    """Every key is one of the Kafka scaler's, as text, and those that it needs are there."""
    (trigger,) = of_kind(rendered("cpu"), "ScaledObject")["spec"]["triggers"]
    known = kafka_trigger()
    assert trigger["metadata"].keys() <= known.keys()
    assert {name for name, may_be_left_out in known.items() if not may_be_left_out} <= trigger["metadata"].keys()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_of_others_do_not_name_us(overlay: str) -> None:
    """Egress leads to DNS, broker and cache wherever they are: their pods carry none of our labels."""
    peers = [peer for rule in of_kind(rendered(overlay), "NetworkPolicy")["spec"]["egress"] for peer in rule["to"]]
    chosen = [peer["podSelector"]["matchLabels"] for peer in peers if "podSelector" in peer]
    assert {"k8s-app": "kube-dns"} in chosen
    assert not [labels for labels in chosen if any(name.startswith("app.kubernetes.io/") for name in labels)]


@pytest.mark.parametrize("overlay", FOLDERS)
def test_the_policy_covers_every_pod(overlay: str) -> None:
    """Workers and backfills: whatever runs strangers' URLs."""
    manifests = rendered(overlay)
    wanted = of_kind(manifests, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    for workload in (one for one in manifests if one["kind"] in ("StatefulSet", "Job")):
        assert wanted.items() <= workload["spec"]["template"]["metadata"]["labels"].items()


def test_traces_may_leave(tmp_path: Path) -> None:
    """The component says where the collector is, in settings that exist, and lets the pods reach it."""
    overlay = os.path.relpath(KUBERNETES / "overlays" / "cpu", tmp_path)
    component = os.path.relpath(KUBERNETES / "components" / "tracing", tmp_path)
    own = {"kind": "Kustomization", "resources": [overlay], "components": [component]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    manifests = list(yaml.safe_load_all(_render(tmp_path)))
    settings = of_kind(manifests, "ConfigMap")["data"]
    endpoint = urlsplit(settings["HANGTAG_TRACE__ENDPOINT"])
    assert Settings.model_validate({"trace": {"endpoint": endpoint.geturl()}}).trace.endpoint
    opened = [port["port"] for rule in of_kind(manifests, "NetworkPolicy")["spec"]["egress"] for port in rule["ports"]]
    assert endpoint.port in opened
    assert settings["HANGTAG_KAFKA__GROUP_ID"] == "hangtag"


def test_a_backfill_leaves_the_workers_alone() -> None:
    """It brings a Job and what that needs, with the workers' settings; nothing that selects the workers' pods."""
    manifests = rendered("backfill")
    assert {one["kind"] for one in manifests} == {"ServiceAccount", "ConfigMap", "NetworkPolicy", "Job"}
    assert of_kind(manifests, "ConfigMap") == of_kind(rendered("cpu"), "ConfigMap")
    job, workers = of_kind(manifests, "Job"), of_kind(rendered("cpu"), "StatefulSet")
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert not workers["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert list(faults(job)) == []


def test_a_backfill_is_one_replay() -> None:
    """Its command is understood; its name and group say which replay; more processes than partitions would idle."""
    manifests = rendered("backfill")
    job = of_kind(manifests, "Job")
    command = _container(job)["args"]
    check_arguments(command)
    name = command[command.index("--name") + 1]
    group = of_kind(manifests, "ConfigMap")["data"]["HANGTAG_KAFKA__GROUP_ID"]
    assert job["metadata"]["name"].endswith(f"-{name}")
    assert job["metadata"]["annotations"]["hangtag/consumer-group"] == f"{group}.replay.{name}"
    most = of_kind(rendered("cpu"), "ScaledObject")["spec"]["maxReplicaCount"]
    assert job["spec"]["parallelism"] == job["spec"]["completions"] <= most


@pytest.mark.parametrize(("folder", "kind"), [("backfill", "Job"), ("cpu", "StatefulSet")])
def test_probes_ask_where_the_process_listens(folder: str, kind: str) -> None:
    """The port that the pod's settings give, as its command understands them, is the one that its probes name."""
    manifests = rendered(folder)
    container = _container(of_kind(manifests, kind))
    plain = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    environ = {**of_kind(manifests, "ConfigMap")["data"], **plain}
    port = port_of(container["args"][0], {key: text for key, text in environ.items() if not key.endswith("_FILE")})
    named = {one["name"]: one["containerPort"] for one in container["ports"]}
    asked = {probe: rules["httpGet"]["port"] for probe, rules in container.items() if probe.endswith("Probe")}
    assert {named[name] for name in asked.values()} == {port}


def test_a_backfill_gives_up_on_wrong_words_alone() -> None:
    """Exit code 2 fails the Job; a pod that was evicted costs it nothing; a name survives its restarts."""
    job = of_kind(rendered("backfill"), "Job")["spec"]
    actions = {rule["action"]: rule for rule in job["podFailurePolicy"]["rules"]}
    assert actions["FailJob"]["onExitCodes"]["values"] == [2]
    assert actions["Ignore"]["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    instance = next(one for one in _container({"spec": job})["env"] if one["name"] == "HANGTAG_KAFKA__INSTANCE")
    assert "job-completion-index" in instance["valueFrom"]["fieldRef"]["fieldPath"]


def test_only_the_gpu_overlay_asks_for_one() -> None:
    """With a GPU the device is named, so that a worker without one fails rather than crawls."""
    for overlay in OVERLAYS:
        manifests = rendered(overlay)
        limits = _container(of_kind(manifests, "StatefulSet"))["resources"]["limits"]
        device = of_kind(manifests, "ConfigMap")["data"].get("HANGTAG_MODEL__DEVICE")
        assert ("nvidia.com/gpu" in limits, device == "cuda") == (overlay == "gpu",) * 2


def test_the_operator_gets_the_same_alerts() -> None:
    """The PrometheusRule says what deploy/prometheus/alerts.yaml says; kustomize cannot read that file from there."""
    rule = of_kind(rendered("cpu"), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(ALERTS.read_text())
