# shellcheck shell=dash
# Runs in the guest beside the cluster, as its administrator: the lab, as a person has it on a
# machine of their own. Programs of the host have a /run of their own below /h.
export XDG_STATE_HOME=/run/state
mkdir -p /h/run/state/fgm
cp "$KUBECONFIG" /h/run/state/fgm/kubeconfig
fgm="kubectl -n fine-grained-monitor"

# shellcheck disable=SC2329 # called through until_true
rolled_out() { $fgm rollout status ds/fgm --timeout=10s; }
until_true 30 rolled_out

# All nodes behind one origin; with the cluster's token, with another one, and with none.
hrun ./fgm-lab viewer --listen 127.0.0.1:8090 > /host/out/viewer.log 2>&1 &
viewer=$!
ask() { # ask FILE PATH [TOKEN]
    hrun curl -sS -m 20 -w '\n%{http_code}\n' ${3:+-H "Authorization: Bearer $3"} \
        "http://127.0.0.1:8090/$2" > "/host/out/$1" 2>&1
}
token=$(cat /host/token)
recorded() { ask "$1" api/v1/nodes "$token" && grep -q '"up":true.*"last_ms":[0-9]' "/host/out/$1"; }
until_true 60 recorded nodes
node=$(kubectl get nodes -o 'jsonpath={.items[0].metadata.name}')
ask meta "node/$node/api/v1/meta" "$token"
ask found "api/v1/find?q=fgm-viewer" "$token"
ask stranger "node/$node/api/v1/meta"
ask other "node/$node/api/v1/meta" 0123456789abcdef0123456789abcdef

# Scenarios, judged by what the viewers tell.
for name in oom-kill crash-loop; do
    (
        hrun ./fgm-lab scenario run $name > /host/out/$name.log 2>&1
        echo $? > /host/out/$name.rc
    ) &
    eval "run_${name%-*}=$!"
done
# While they run: who they are, and what they write.
# shellcheck disable=SC2329 # called through until_true
run_of() {
    for run in /h/run/state/fgm/runs/"$1"-*; do
        [ -d "$run" ] && echo "${run##*/}"
    done
}
until_true 120 run_of crash-loop > /host/out/run
run=$(cat /host/out/run)
hrun ./fgm-lab scenario logs "$run" -f > /host/out/followed 2>&1 &
follow=$!
# Whatever the container that is there has written by then.
# shellcheck disable=SC2329 # called through until_true
crashed() {
    hrun ./fgm-lab scenario logs "$run" > /host/out/logs 2>&1
    grep -q 'status 42' /host/out/logs
}
until_true 60 crashed
hrun ./fgm-lab scenario status "$run" > /host/out/status
# shellcheck disable=SC2154 # set by eval above
wait "$run_oom" "$run_crash" $follow

# Interrupted: nothing of it stays.
hrun ./fgm-lab scenario run memory-leak > /host/out/interrupted.log 2>&1 &
leak=$!
# shellcheck disable=SC2329 # called through until_true
expected() { grep -q 'expected:' /host/out/interrupted.log; }
until_true 120 expected
kill -INT $leak
wait $leak
echo $? > /host/out/interrupted.rc
kubectl get namespaces -o name > /host/out/namespaces

# A new version of the recorder, and a viewer that is killed: both are there again by themselves.
$fgm patch ds fgm -p '{"spec": {"template": {"metadata": {"annotations": {"version": "next"}}}}}'
until_true 60 rolled_out
until_true 60 recorded nodes-after-rollout
kill -9 "$(pidof -s /bin/fgm-viewer || pidof -s fgm-viewer)"
sleep 2
until_true 120 recorded nodes-after-kill
kill -INT $viewer
wait $viewer
echo $? > /host/out/viewer.rc
