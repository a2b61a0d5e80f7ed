# shellcheck shell=dash
# Runs in the guest beside the cluster, as its administrator.

# A static pod: the kubelet is started again with a folder to read it from.
mkdir -p /run/k8s/static
cp /host/static.yaml /run/k8s/static/
kubelet=$(pidof kubelet)
tr '\0' '\n' < "/proc/$kubelet/cmdline" > /run/k8s/kubelet.words
kill "$kubelet"
while kill -0 "$kubelet" 2> /dev/null; do sleep 0.2; done
echo --pod-manifest-path=/run/k8s/static >> /run/k8s/kubelet.words
xargs -d '\n' sh -c 'exec "$@" >> /host/out/cluster/kubelet-again.log 2>&1' sh < /run/k8s/kubelet.words &

fgm="kubectl -n fine-grained-monitor"
# shellcheck disable=SC2329 # called through until_true
rolled_out() { $fgm rollout status ds/fgm --timeout=10s; }
until_true 30 rolled_out
# Applying again changes nothing, and nobody warns of anything.
kubectl apply -f /host/manifests/10-fgm.yaml > /host/out/applied.txt 2> /host/out/warnings.txt

# Who each program is: user and group, capabilities in force, whether it can gain any, seccomp.
for program in fgm fgm-viewer fgm-consolidator; do
    pid=$(pidof -s "/bin/$program" || pidof -s "$program")
    echo "$program"
    grep -E '^(Uid|Gid|CapEff|CapBnd|NoNewPrivs):' "/proc/$pid/status"
done > /host/out/privileges.txt
stat -c '%n %a %u %g' /var/lib/fgm /var/lib/fgm/_notes /var/lib/fgm/_lock/* > /host/out/shared.txt

# The kubelet starts pods in any order: what starts before the recorder is recorded too.
running() { [ "$(kubectl get pods -A --field-selector status.phase=Running --no-headers | wc -l)" -eq 5 ]; }
until_true 240 running
sleep 5

# What can be read with these capabilities, with one less, and with none.
for capabilities in +sys_ptrace,+dac_read_search +sys_ptrace +dac_read_search ''; do
    out=/host/out/with$capabilities
    hrun setpriv --regid 65532 --clear-groups --no-new-privs --inh-caps=-all \
        --bounding-set="-all${capabilities:+,$capabilities}" ./fgm --data-dir "/run/fgm$capabilities" \
        --cgroup-root /sys/fs/cgroup --listen 127.0.0.1:0 --seal 1s 2> "$out.log" &
    recorder=$!
    # shellcheck disable=SC2329 # called through until_true
    sealed() { [ -n "$(find "/h/run/fgm$capabilities/metrics" -name '*.parquet' 2> /dev/null)" ]; }
    until_true 60 sealed
    sleep 8
    kill $recorder
    wait $recorder
    cp -r "/h/run/fgm$capabilities" "$out"
done

# What there is before a new version takes the place of the old one.
kubectl get pods -A -o json > /host/out/pods-before.json
cp -r /var/lib/fgm /host/out/before

$fgm patch ds fgm -p '{"spec": {"template": {"metadata": {"annotations": {"version": "next"}}}}}'
until_true 30 rolled_out
# The minutes of an hour that is long over, as a recorder in a pod leaves them, and among them one
# that is none: the consolidator looks for such when it starts.
for table in /host/earlier/*=*/ /host/earlier/metrics /host/earlier/events; do
    [ ! -d "$table" ] || cp -r "$table" /var/lib/fgm/
done
rubbish=$(find /var/lib/fgm/metrics -path '*pod=fgm-generated/*.parquet' | sort | head -n 1)
echo rubbish > "$rubbish"
chgrp -R 65532 /var/lib/fgm/metrics /var/lib/fgm/events
find /var/lib/fgm/metrics /var/lib/fgm/events -type d -exec chmod 2775 {} +
kill "$(pidof -s /bin/fgm-consolidator || pidof -s fgm-consolidator)"
# shellcheck disable=SC2329 # called through until_true
consolidated() {
    [ "$(find /var/lib/fgm/metrics -path '*pod=fgm-generated/*.parquet' | wc -l)" -eq 1 ] &&
        [ -n "$(find /var/lib/fgm/metrics_600s -path '*pod=fgm-generated/*.parquet')" ] &&
        [ -n "$(find /var/lib/fgm/_quarantine -type f -name '*.txt')" ]
}
until_true 120 consolidated
{
    find /var/lib/fgm/metrics -type f -path '*pod=fgm-generated/*' -exec stat -c '%u:%g %a' {} \;
    find /var/lib/fgm/_quarantine -type f -name '*.txt' -exec stat -c '%u:%g %a' {} \;
} > /host/out/merged.txt
mkdir /host/out/merged
for name in metrics metrics_60s metrics_600s _quarantine; do
    cp -r "/var/lib/fgm/$name" /host/out/merged/
done
find /host/out/merged -depth -type d -name 'pod=*' ! -name pod=fgm-generated -exec rm -r {} \;
rm -r /var/lib/fgm/_quarantine/*
find /var/lib/fgm -depth -type d -name pod=fgm-generated -exec rm -r {} \;

# The recorder dies, and so does the kubelet: the one comes back, the other finds its pods.
cp -r /var/lib/fgm /host/out/before-kill
kill -9 "$(pidof -s /bin/fgm || pidof -s fgm)"
# shellcheck disable=SC2329 # called through until_true
again() {
    [ "$($fgm get pods -o 'jsonpath={.items[0].status.containerStatuses[?(@.name=="fgm")].restartCount}')" = 1 ]
}
until_true 120 again
until_true 30 rolled_out
recorder=$(pidof -s /bin/fgm || pidof -s fgm)
kill -9 "$(pidof kubelet)"
xargs -d '\n' sh -c 'exec "$@" >> /host/out/cluster/kubelet-killed.log 2>&1' sh < /run/k8s/kubelet.words &
# shellcheck disable=SC2329 # called through until_true
answers() { $fgm logs ds/fgm -c fgm --tail=1 > /dev/null 2>&1; }
until_true 120 answers
[ "$(pidof -s /bin/fgm || pidof -s fgm)" = "$recorder" ] || { echo "the kubelet took the recorder along"; exit 1; }
kubectl get pods -A -o json > /host/out/pods.json

# An OOM kill and a crash loop. The status is kept as the API server has it at first.
kubectl apply -f /host/failing.yaml
# shellcheck disable=SC2329 # called through until_true
killed() {
    kubectl -n failing get pod hog -o json > /host/out/hog.json
    grep -q OOMKilled /host/out/hog.json
}
until_true 120 killed
# shellcheck disable=SC2329 # called through until_true
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
$fgm logs ds/fgm -c fgm > /host/out/fgm.log
# An orderly end, which seals.
$fgm delete daemonset fgm --wait=false
gone() { [ -z "$($fgm get pods --no-headers 2> /dev/null)" ]; }
until_true 120 gone
cp -r /var/lib/fgm /host/out/data
