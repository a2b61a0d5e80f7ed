# shellcheck shell=dash
# The guest's side of "short_lives_have_rows_and_ends_and_leave_nothing_behind": 200 containers
# with a process each that runs for 0.2 to 0.5 s, ten a second.

life() {
    c=$(container "$1")
    mkdir "$c"
    sh -c 'echo $$ > "$0/cgroup.procs"; exec sleep "$1"' "$c" "0.$2"
    until rmdir "$c" 2> /dev/null; do sleep 0.02; done
    read -r up _ < /proc/uptime
    echo "$1 $up" >> /tmp/lives
}

# what_is_kept: what must not grow.
what_is_kept() {
    echo "containers $(sample fgm_containers)"
    echo "watches $(sample fgm_watches)"
    echo "kept descriptors $(sample fgm_kept_descriptors)"
    # Without the spool, whose streams come and go with what is to be written, and connections.
    # shellcheck disable=SC2010  # names are numbers
    echo "open files $(ls -l "/proc/$FGM/fd" | grep -vE '\.arrows|socket:' | grep -c -e '->')"
}

none_left() { [ "$(ls "$POD" | grep -c '^cri-containerd')" = 1 ]; }
all_gone() { [ "$(sample fgm_containers)" = 1 ]; }
as_before() { what_is_kept > /tmp/after && cmp -s /tmp/before /tmp/after; }

# One that stays, so that there is something to keep.
mkdir "$(container 1000)"
within "$(container 1000)" sleep 200 &
record /tmp/data
await 'the first container' all_gone
sleep 2
what_is_kept > /tmp/before

i=1
while [ $i -le 200 ]; do
    life $i $((i % 4 + 2)) &
    sleep 0.1
    i=$((i + 1))
done
await 'all to be removed' none_left
await 'all to be forgotten' all_gone
# The last sweep may still have to come; what stays too much then is a leak.
tries=0
until as_before || [ $tries -ge 30 ]; do
    tries=$((tries + 1))
    sleep 0.5
done

{
    cut -d ' ' -f 1 /proc/uptime
    hrun date +%s%N
    cut -d ' ' -f 1 /proc/uptime
} > /host/clock
stop
cp /tmp/before /tmp/after /tmp/lives /host/
cp -r /tmp/data /host/data
