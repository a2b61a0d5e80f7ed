# shellcheck shell=dash
# The guest's side of "every_scenario_passes_on_a_real_kernel": all run at once, watched by one
# recorder, with state and data on a disk (a tmpfs would be memory that pressure cannot reclaim).

# The programs of the host see the tree below /h.
mkdir /h/tmp/disk
hrun /sbin/mke2fs -q "$DISK" || fail 'no file system'
mount -t ext4 "$DISK" /h/tmp/disk
export XDG_STATE_HOME=/tmp/disk/state FGM_DATA_DIR=/tmp/disk/data
LAB=/h/tmp/disk/state/fgm

hrun ./fgm-lab up > /host/up.log 2>&1 &
UP=$!
await 'the recorder to be known' test -e $LAB/up.json

runs=
for name in oom-kill memory-leak cpu-throttle memory-pressure crash-loop sigpipe-crash; do
    (
        hrun ./fgm-lab scenario run $name --local > /host/$name.log 2>&1
        echo $? > /host/$name.rc
    ) &
    runs="$runs $!"
done

# Killed while it runs: what it left can be taken away later, and nothing else is.
folder() { ls -d "$CG"/fgm-lab.slice/noisy-neighbour-*/*/noisy-0; }
hrun ./fgm-lab scenario run noisy-neighbour --local > /host/killed.log 2>&1 &
KILLED=$!
await 'a noisy neighbour' folder
kill -9 $KILLED
hrun ./fgm-lab scenario status > /host/crashed 2>&1
killed=$(sed -n 's/^crashed *\(noisy-neighbour[^ ]*\).*/\1/p' /host/crashed)
folder > /dev/null || fail 'its containers are gone by themselves'
hrun ./fgm-lab scenario stop "$killed" || fail "cannot stop $killed"
folder > /dev/null 2>&1 && fail "left: $(folder)"
[ "$(ls -d "$CG"/fgm-lab.slice/* | wc -l)" -ge 5 ] || fail 'other runs are gone too'

# Interrupted while it runs.
hrun ./fgm-lab scenario run noisy-neighbour --local > /host/interrupted.log 2>&1 &
INTERRUPTED=$!
await 'a noisy neighbour' folder
kill -INT $INTERRUPTED
wait $INTERRUPTED
[ $? -eq 130 ] || fail 'not ended by Ctrl-C'
folder > /dev/null 2>&1 && fail "left: $(folder)"
wait $runs
# Alone: the others would be its victims too.
hrun ./fgm-lab scenario run noisy-neighbour --local --duration 45s > /host/noisy-neighbour.log 2>&1
echo $? > /host/noisy-neighbour.rc

# A tree without controllers, as a hybrid machine has it.
rmdir "$POD" "$PODS" "$CG/kubepods.slice" "$CG/fgm-lab.slice" 2> /dev/null
for k in $(cat "$CG/cgroup.controllers"); do
    (echo "-$k" > "$CG/cgroup.subtree_control")
done
hrun ./fgm-lab scenario run crash-loop --local --duration 25s > /host/unlimited.log 2>&1
echo $? > /host/unlimited.rc

# A record that nobody can read hides no other run.
mkdir $LAB/runs/rubbish
echo rubbish > $LAB/runs/rubbish/run.json
hrun ./fgm-lab scenario status > /host/status 2>&1
leak=$(sed -n 's/^passed *\(memory-leak[^ ]*\).*/\1/p' /host/status)
oom=$(sed -n 's/^passed *\(oom-kill[^ ]*\).*/\1/p' /host/status)
hrun ./fgm-lab scenario verify "$leak" --expect "/tmp/disk/state/fgm/runs/$oom/expect.toml" > /host/other.log 2>&1
echo $? > /host/other.rc
[ -e "$CG/fgm-lab.slice" ] && fail "left: $(ls "$CG/fgm-lab.slice")"
[ "$(ls $LAB/pods)" = '' ] || fail "left: $(ls $LAB/pods)"

kill -TERM $UP
wait $UP || fail "fgm-lab up ended with status $?"
[ ! -e $LAB/up.json ] || fail 'up.json is left'
