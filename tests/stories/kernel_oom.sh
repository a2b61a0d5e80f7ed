# shellcheck shell=dash
# The guest's side of "every_oom_is_one_event": containers that are OOM-killed and removed at
# once, one whose processes die together, and two whose OOM falls between two recorders.

# limited NUMBER: a container of 16 MiB.
limited() {
    mkdir "$(container "$1")"
    (echo 16M > "$(container "$1")/memory.max")
}

# killed NUMBER: runs into the limit; as a runtime does, removes the cgroup at once.
killed() {
    # shellcheck disable=SC2016  # expanded by the inner shell
    sh -c 'echo $$ > "$0/cgroup.procs"; exec hog mem 64 1' "$(container "$1")"
    [ $? -eq 137 ] || fail "no OOM kill of $1"
}

gone() { until rmdir "$(container "$1")" 2> /dev/null; do :; done; }

# Lives on while the recorder is away; and one more that stays, so that there is always one.
limited 62
mkdir "$(container 64)"
within "$(container 64)" sleep 200 &
record /tmp/data
await 'a tick' sample fgm_ticks_total

i=1
while [ $i -le 50 ]; do
    limited $i
    killed $i
    gone $i
    i=$((i + 1))
    # At every place of the second.
    sleep 0.$((i * 37 % 90 + 10))
done

limited 61
(echo 1 > "$(container 61)/memory.oom.group")
# shellcheck disable=SC2016  # expanded by the inner shell
sh -c 'echo $$ > "$0/cgroup.procs"; hog mem 2 60 & hog mem 2 60 & sleep 1; exec hog mem 64 1' "$(container 61)"
[ $? -eq 137 ] || fail 'no OOM kill of 61'
gone 61

limited 63
within "$(container 63)" sleep 200 &
sleep 2.5
stop
cp /host/fgm.log /host/first.log
killed 62
killed 63
for pid in $(cat "$(container 63)/cgroup.procs"); do kill -9 "$pid"; done
gone 63
record /tmp/data
await 'a tick' sample fgm_ticks_total
sleep 3
stop
cp -r /tmp/data /host/data
