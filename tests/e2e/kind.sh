#!/usr/bin/env bash
# A real rollout on a real cluster: kind, KServe in Knative mode, a demo inside, and what it left behind.
# Needs docker, kind, kubectl, helm and about 12 GB of memory. KEEP=1 leaves the cluster.
set -euo pipefail
cd "$(dirname "$0")/../.."

KSERVE=${KSERVE:-v0.20.0}
CLUSTER=screentest-e2e
IMAGE=dev.local/screentest:e2e  # Knative asks no registry about dev.local
INSTALL=https://raw.githubusercontent.com/kserve/kserve/$KSERVE/hack/setup/quick-install/kserve-knative-mode-full-install-with-manifests.sh
kube() { kubectl --context "kind-$CLUSTER" --namespace audition "$@"; }

docker build --tag "$IMAGE" .
kind create cluster --name "$CLUSTER" --wait 120s
[ -n "${KEEP:-}" ] || trap 'kind delete cluster --name "$CLUSTER"' EXIT
curl --fail --silent --show-error --location "$INSTALL" | bash
kind load docker-image "$IMAGE" --name "$CLUSTER"

kube apply --filename tests/e2e/kind.yaml
kube rollout status deployment/mlflow --timeout 300s
for _ in $(seq 180); do
  state=$(kube get job demo --output jsonpath='{.status.succeeded}/{.status.failed}')
  [ "$state" = "/" ] || break
  sleep 5
done
kube logs job/demo --tail 60
[ "$state" = "1/" ] || { kube describe inferenceservice recommender; exit 1; }

# Version 1 is popularity, version 2 ease: the winner has all direct traffic, and nobody else has a pod left.
decision=$(kube get pods --selector job-name=demo --output jsonpath='{.items[0].status.containerStatuses[0].state.terminated.message}')
case $decision in promote) winner=2 ;; *) winner=1 ;; esac
kube wait inferenceservice recommender --for condition=PredictorRouteReady --timeout 300s
revision=$(kube get inferenceservice recommender --output jsonpath='{range .status.components.predictor.traffic[?(@.percent==100)]}{.revisionName}{end}')
served=$(kube get revision "$revision" --output jsonpath='{.metadata.labels.screentest/model-version}')
echo "decision $decision: version $served has all direct traffic ($revision)"
[ "$served" = "$winner" ]
kube wait pods --selector "screentest/model-version=$((3 - winner)),serving.kserve.io/inferenceservice=recommender" --for delete --timeout 300s
