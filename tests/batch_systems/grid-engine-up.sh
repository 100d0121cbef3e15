#!/bin/bash
# grid-engine-up.sh -- a throw-away, real Grid Engine of one host, from Debian packages.
#
#   grid-engine-up.sh install          its programs (root; needs the network)
#   grid-engine-up.sh up   ROOT        sge_qmaster + sge_execd, everything under ROOT
#   grid-engine-up.sh down ROOT        delete jobs, stop exactly those two
#
# The packages and slurm-wlm-torque exclude each other (qsub, qstat and qdel are commands
# of both), so only their folders of programs and defaults are unpacked: no command is
# put into a PATH, no service is started, nothing is written in /etc.
# Knobs (env): SLOTS=8 QMASTER_PORT=26444 (the next one is the execution daemon's)
set -eu
CMD=${1:-up}; ROOT=${2:-}
PROGRAMS=/usr/lib/gridengine; DEFAULTS=/usr/share/gridengine
SLOTS=${SLOTS:-8}; QMASTER_PORT=${QMASTER_PORT:-26444}
HOST=$(hostname)
export SGE_ROOT=$ROOT SGE_CELL=default
export SGE_QMASTER_PORT=$QMASTER_PORT SGE_EXECD_PORT=$((QMASTER_PORT + 1))
export PATH=$PROGRAMS:$PATH

install_programs() {
    [ -x "$PROGRAMS/sge_qmaster" ] && [ -x "$PROGRAMS/sge_execd" ] && return 0
    export DEBIAN_FRONTEND=noninteractive
    local folder deb
    folder=$(mktemp -d)
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends libdb5.3 libhwloc15 libjemalloc2 \
        libmunge2 libssl3 libtirpc3 >/dev/null
    # apt warns that another user cannot write here
    (cd "$folder" && apt-get download -qq gridengine-{common,client,exec,master} 2>/dev/null)
    for deb in "$folder"/*.deb; do
        dpkg-deb --extract "$deb" "$folder/files"
    done
    cp -a "$folder/files$DEFAULTS" /usr/share/
    cp -a "$folder/files$PROGRAMS" /usr/lib/
    rm -r "$folder"
}

write_cell() {
    local common=$ROOT/default/common spool=$ROOT/spool
    mkdir -p "$common" "$spool"/qmaster/job_scripts "$spool"/execd
    ln -sfn "$DEFAULTS/util" "$ROOT/util"
    echo "$HOST" >"$common/act_qmaster"
    # the loopback address has several names
    echo "$HOST localhost" >"$common/host_aliases"
    cat >"$common/bootstrap" <<CONF
admin_user              none
default_domain          none
ignore_fqdn             true
spooling_method         classic
spooling_lib            libspoolc
spooling_params         $common;$spool/qmaster
binary_path             $PROGRAMS
qmaster_spool_dir       $spool/qmaster
security_mode           none
listener_threads        2
worker_threads          2
scheduler_threads       1
CONF
    # root may run jobs; loads are reported soon
    sed -e "s#/var/spool/gridengine#$spool#; s/^min_\(.\)id.*/min_\1id 0/" \
        -e 's/^load_report_time.*/load_report_time 00:00:05/' \
        "$DEFAULTS/default-configuration" >"$ROOT/configuration"
    spoolinit classic libspoolc "$common;$spool/qmaster" init
    spooldefaults configuration "$ROOT/configuration"
    spooldefaults complexes "$DEFAULTS/util/resources/centry"
    spooldefaults usersets "$DEFAULTS/util/resources/usersets"
    spooldefaults managers "$(id -un)"
}

write_queue() {
    # a queue as Grid Engine writes it, but for how many jobs, under which load, and by
    # which shell: many sites have this one, and jobs have to ask for theirs
    qconf -sq >"$ROOT/queue"
    sed -i -e "s/^qname .*/qname debug/; s/^hostlist .*/hostlist $HOST/" \
        -e "s/^slots .*/slots $SLOTS/; s/^load_thresholds .*/load_thresholds NONE/" \
        -e "s/^pe_list .*/pe_list NONE/; s#^shell .*#shell /bin/csh#" "$ROOT/queue"
    qconf -Aq "$ROOT/queue"
    # jobs start at once, and on a machine that is busy
    qconf -ssconf | sed -e 's/^schedule_interval .*/schedule_interval 0:0:1/' \
        -e 's/^flush_\(.*\)_sec .*/flush_\1_sec 1/' \
        -e 's/^job_load_adjustments .*/job_load_adjustments NONE/' >"$ROOT/scheduler"
    qconf -Msconf "$ROOT/scheduler"
}

wait_for() { # wait_for SECONDS COMMAND...
    local n=$(( $1 * 10 )); shift
    while ! "$@" >/dev/null 2>&1; do n=$((n-1)); [ $n -gt 0 ] || return 1; sleep 0.1; done
}
# a host whose daemon does not answer has a state: au
ready() { qstat -f -q debug | grep -q "^debug@.* $(qhost -h "$HOST" | awk 'END {print $2}') *$"; }

start() { # start NAME: in the background of its own accord it tells its number late
    SGE_ND=1 setsid "sge_$1" >"$ROOT/$1.log" 2>&1 </dev/null &
    echo $! >"$ROOT/$1.pid"
}

up() {
    write_cell
    start qmaster
    wait_for 20 qconf -sconf
    qconf -ah "$HOST" || true
    qconf -as "$HOST"
    start execd
    write_queue
    wait_for 30 ready || { cat "$ROOT"/spool/{qmaster,execd/*}/messages; return 1; }
    qstat -f
}

down() {
    [ -f "$ROOT/qmaster.pid" ] || return 0
    qdel -u '*' >/dev/null 2>&1 || true
    nojobs() { [ -z "$(qstat -u '*')" ]; }
    wait_for 15 nojobs || true
    local name pid
    for name in execd qmaster; do
        [ -s "$ROOT/$name.pid" ] || continue
        pid=$(cat "$ROOT/$name.pid")
        gone() { ! grep -q '^State:.[^Z]' "/proc/$pid/status"; }
        kill "$pid" 2>/dev/null || true
        # the master spins when it is to end; nothing is kept, so it is not waited for
        wait_for 1 gone || kill -9 "$pid" 2>/dev/null || true
    done
}

case $CMD in
    install) install_programs ;;
    up)      up ;;
    down)    down ;;
    *) echo "usage: $0 install | up ROOT | down ROOT" >&2; exit 2 ;;
esac
