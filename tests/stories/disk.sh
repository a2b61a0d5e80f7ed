# shellcheck shell=dash
# The guest's side of "a_full_and_a_read_only_disk_are_survived_and_said_once".

# The programs of the host see the tree below /h.
small=/h/tmp/small
disk=/h/tmp/disk
mkdir $small $disk
mount -t tmpfs -o size=3m small $small
hrun /sbin/mke2fs -q "$DISK" || fail 'no file system'
mount -t ext4 "$DISK" $disk

mkdir "$(container 1)"
within "$(container 1)" sleep 300 &

rows_are_lost() { [ "$(sample fgm_rows_lost_total)" != 0 ]; }
fill() { dd if=/dev/zero of=$small/filler bs=4k 2> /dev/null; }

# trouble NAME: from here until "over" nothing can be written.
trouble() {
    name=$1 begin=$(date +%s)
    await 'rows to be lost' rows_are_lost
    await 'not to be ready' not page readyz
    # Long enough for ticks and seals to be refused again and again.
    sleep 4
    page healthz > /dev/null || fail 'it is not alive'
    [ "$(sample fgm_recording)" = 0 ] || fail 'it says that it records'
}
over() {
    end=$(date +%s)
    await 'to be ready again' page readyz
    # A whole second and a seal after it.
    sleep 3
    echo "$name was in trouble from $begin to $end"
}

# 1. No space left.
record /tmp/small/data --interval 100ms --seal 2s --min-free-disk 0B
await 'to be ready' page readyz
sleep 3
fill
trouble small
rm $small/filler
over
stop
cp /host/fgm.log /host/full.log

# 2. Less free than --min-free-disk, and nothing older to delete.
fill
record /tmp/small/data --interval 100ms --seal 2s --min-free-disk 20%
trouble small
rm $small/filler
over
stop
cp /host/fgm.log /host/guarded.log

# 3. The kernel turns the file system read-only, as it does on errors.
record /tmp/disk/data --interval 100ms --seal 2s
await 'to be ready' page readyz
sleep 3
echo u > /proc/sysrq-trigger
trouble disk
mount -o remount,rw $disk || fail 'still read-only'
over
stop
cp /host/fgm.log /host/read-only.log

# 4. And where it is read-only from the start.
mount -o remount,ro $disk || fail 'still writable'
hrun ./fgm --data-dir /tmp/disk/data 2> /host/refused.log
[ $? -eq 1 ] || fail 'it did not refuse'

cp -r $small/data /host/small
cp -r $disk/data /host/disk
