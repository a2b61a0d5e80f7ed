# shellcheck shell=dash
# Functions of the guests' scripts. Writes to cgroup files stand in subshells: a refused one would
# be sent again with the next.

PODS=$CG/kubepods.slice/kubepods-burstable.slice
UID_=6f0b2d8e_52c1_4e5a_9d3b_1a2b3c4d5e6f
POD=$PODS/kubepods-burstable-pod$UID_.slice
mkdir -p "$POD"
for d in "$CG/kubepods.slice" "$PODS" "$POD"; do
    (echo "+cpu +memory +io +pids" > "$d/cgroup.subtree_control")
done

fail() {
    echo "FAILED: $*"
    exit 1
}

# container NUMBER: the cgroup of a container whose ID ends in that number.
container() { printf '%s/cri-containerd-%064x.scope' "$POD" "$1"; }

# within CGROUP COMMAND...: becomes that command, in that cgroup.
within() {
    # shellcheck disable=SC2016  # expanded by the inner shell
    exec sh -c 'echo $$ > "$0/cgroup.procs"; exec "$@"' "$@"
}

# record DATA_DIR FLAGS...: starts fgm and waits until it listens.
record() {
    data=$1
    shift
    hrun ./fgm --data-dir "$data" --node-name guest --pod-name guest "$@" > /host/fgm.log 2>&1 &
    FGM=$!
    await 'fgm to listen' page healthz
}

# page NAME: one of fgm's pages; fails unless the answer is 200.
page() { wget -q -O - "http://127.0.0.1:8051/$1" 2> /dev/null; }

# sample NAME: a number of fgm's metrics.
sample() { page metrics | sed -n "s/^$1 //p"; }

# await WHAT COMMAND...: repeats the command until it succeeds, for up to 60 s.
await() {
    what=$1 tries=0
    shift
    until "$@" > /dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "waited a minute for $what"
        sleep 0.2
    done
}

# not COMMAND...: succeeds when the command fails.
not() { ! "$@"; }

# stop: asks fgm to drain and waits for its end.
stop() {
    kill -TERM "$FGM"
    wait "$FGM" || fail "fgm ended with status $?"
}
