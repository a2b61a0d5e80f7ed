# Runs in the guest beside the cluster, as its administrator.
until_true() { # until_true SECONDS COMMAND...
    n=$1
    shift
    until "$@"; do
        n=$((n - 1))
        [ $n -gt 0 ] || { echo "never: $*"; exit 1; }
        sleep 1
    done
}

# A static pod: the kubelet is started again with a folder to read it from.
mkdir -p /run/k8s/static
cp /host/static.yaml /run/k8s/static/
kubelet=$(pidof kubelet)
tr '\0' '\n' < "/proc/$kubelet/cmdline" > /run/k8s/kubelet.words
kill "$kubelet"
while kill -0 "$kubelet" 2> /dev/null; do sleep 0.2; done
echo --pod-manifest-path=/run/k8s/static >> /run/k8s/kubelet.words
xargs -d '\n' sh -c 'exec "$@" >> /host/out/cluster/kubelet-again.log 2>&1' sh < /run/k8s/kubelet.words &

# The kubelet starts pods in any order: what starts before the recorder is recorded too.
running() { [ "$(kubectl get pods -A --field-selector status.phase=Running --no-headers | wc -l)" -eq 5 ]; }
until_true 240 running
sleep 5
kubectl get pods -A -o json > /host/out/pods.json

# An OOM kill and a crash loop. The status is kept as the API server has it at first.
kubectl apply -f /host/failing.yaml
killed() {
    kubectl -n failing get pod hog -o json --show-managed-fields > /host/out/hog.json
    grep -q OOMKilled /host/out/hog.json
}
until_true 120 killed
restarted() { # Twice, and the third container has begun.
    crash=$(kubectl -n failing get pod crash \
        -o 'jsonpath={.status.containerStatuses[0].restartCount}/{.status.containerStatuses[0].state.running}')
    case $crash in
    2/?*) ;;
    *) return 1 ;;
    esac
}
until_true 120 restarted
kubectl -n failing get pod crash -o json > /host/out/crash.json
sleep 3
kubectl -n fine-grained-monitor logs ds/fgm > /host/out/fgm.log
# An orderly end, which seals.
kubectl -n fine-grained-monitor delete daemonset fgm --wait=false
gone() { [ -z "$(kubectl -n fine-grained-monitor get pods --no-headers 2> /dev/null)" ]; }
until_true 120 gone
cp -r /var/lib/fgm /host/out/data
