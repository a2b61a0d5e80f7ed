# Sourced by the check of that name, which stops at the first command that fails.
export HOME=$TMPDIR
id=$(printf 'a%.0s' {1..64})
container=tree/system.slice/docker-$id.scope

# A cgroup v2 tree of plain files with one container.
mkdir -p "$container"
echo "cpu io memory pids" | tee tree/cgroup.controllers > "$container/cgroup.controllers"
printf 'usage_usec 860120\nuser_usec 710080\nsystem_usec 150040\nnr_periods 46\nnr_throttled 41\nthrottled_usec 3260000\n' |
    tee tree/cpu.stat > "$container/cpu.stat"
echo 25214976 > "$container/memory.current"
printf 'populated 1\nfrozen 0\n' > "$container/cgroup.events"
echo $$ | tee tree/cgroup.procs > "$container/cgroup.procs"

# wait_for COMMAND...: until it succeeds, for a minute.
wait_for() {
    for _ in {1..600}; do
        if "$@"; then return 0; fi
        sleep 0.1
    done
    echo "never: $*" >&2
    cat ./*.log >&2
    return 1
}
get() { curl --fail --silent --max-time 5 "$1"; }
is_shown() {
    local now
    now=$(date +%s)
    get "http://127.0.0.1:8050/api/v1/containers?start=$((now - 120))000&end=${now}000" | grep -q "$id"
}

fgm --data-dir data --cgroup-root tree --seal 1s --listen 127.0.0.1:8051 2> fgm.log &
recorder=$!
wait_for get http://127.0.0.1:8051/readyz
fgm-viewer --data-dir data --listen 127.0.0.1:8050 2> viewer.log &
viewer=$!
wait_for get http://127.0.0.1:8050/readyz
wait_for is_shown
get http://127.0.0.1:8050/ > page.html
grep -q '<title>' page.html
if grep -q 'FGM_WEB=stub' page.html; then echo "the viewer has no page" >&2; exit 1; fi

# Both end in good order, and the rows are sealed.
kill "$recorder" && wait "$recorder"
kill "$viewer" && wait "$viewer"
find data/metrics -name '*.parquet' | grep -q .
fgm-consolidator --data-dir data --once
fgm-lab inspect data
