# shellcheck shell=dash
# The guest's side of "a_reboot_costs_nothing_that_was_written", for each of its two boots.
mkdir "$(container 1)"
within "$(container 1)" sleep 200 &
[ ! -e /host/data ] || cp -r /host/data /tmp/data
record /tmp/data
ticked() { [ "$(sample fgm_ticks_total)" -ge 8 ]; }
await 'eight ticks' ticked
if [ ! -e /host/data ]; then
    # As a power cut leaves it: nothing is sealed, and nobody says farewell.
    cp -r /tmp/data /host/data
    exit 0
fi
stop
cp -r /tmp/data /host/after
