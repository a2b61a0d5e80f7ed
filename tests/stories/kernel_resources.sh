# shellcheck shell=dash
# The guest's side of "oom_kill_throttling_pressure_disk_and_memory_agree_with_the_kernel": loads
# in five containers, whose files are read by hand meanwhile into /host/by-hand, as are those of
# their pod (number 0) and of the node (number 9).

# by_hand: "NUMBER FILE KEY VALUE" of everything, between the seconds of its begin and end.
by_hand() {
    echo "from $(date +%s)"
    sed "s/^/0 cpu.stat /" "$POD/cpu.stat"
    sed "s/^/0 memory.events /" "$POD/memory.events"
    sed "s/^/9 cpu.stat /" "$CG/cpu.stat"
    sed -n "s/^oom_kill /9 vmstat oom_kill /p" /proc/vmstat
    for r in cpu memory io; do
        sed -n "s/^\([a-z]*\) .*total=/0 $r.pressure \1 /p" "$POD/$r.pressure"
        sed -n "s/^\([a-z]*\) .*total=/9 $r.pressure \1 /p" "/proc/pressure/$r"
    done
    for n in 1 2 3 4 5; do
        c=$(container $n)
        [ -d "$c" ] || continue
        sed "s/^/$n cpu.stat /" "$c/cpu.stat"
        for r in cpu memory io; do
            sed -n "s/^\([a-z]*\) .*total=/$n $r.pressure \1 /p" "$c/$r.pressure"
        done
        tr ' ' '\n' < "$c/io.stat" | sed -n "s/^\([a-z]*\)=/$n io.stat \1 /p"
    done
    if read -r pid < "$(container 5)/cgroup.procs"; then
        sed -n 's/^\(Pss[A-Za-z_]*\): *\([0-9]*\) kB/5 smaps_rollup \1 \2/p' "/proc/$pid/smaps_rollup"
    fi
    echo "to $(date +%s)"
}

for n in 1 3 4 5; do mkdir "$(container $n)"; done
(echo "20000 100000" > "$(container 1)/cpu.max")
(echo 16M > "$(container 4)/memory.max")
record /tmp/data --pss-budget 100ms
await 'a tick' sample fgm_ticks_total

within "$(container 1)" hog cpu 9 &
# A program of its own: what processes share is divided among them, and the others come and go.
cp "$(command -v hog)" /tmp/alone
within "$(container 5)" /tmp/alone mem 20 300 &
within "$(container 3)" hog write "$DISK" 24 &
within "$(container 4)" hog thrash /dev/ubda 48 5 &

# The limit is there before the process is; the cgroup stays a moment, as a runtime leaves it.
mkdir "$(container 2)"
(echo 32M > "$(container 2)/memory.max")
sh -c 'echo $$ > "$0/cgroup.procs"; exec hog mem 100 1' "$(container 2)"
[ $? -eq 137 ] || fail 'no OOM kill'
sleep 0.3
rmdir "$(container 2)"

i=0
while [ $i -lt 40 ]; do
    by_hand >> /tmp/by-hand
    sleep 0.2
    i=$((i + 1))
done
cp /tmp/by-hand /host/by-hand
stop
cp -r /tmp/data /host/data
