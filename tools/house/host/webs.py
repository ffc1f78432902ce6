"""What tests and benchmarks of several guests say in dom0's shell: `web N` makes the Nth of them from /etc/xen/web.cfg, with an
address of its own; `answers N` waits until it serves; `load N COMMAND` runs tern-load in it. More options of xl's go after web's N. `serve COMMAND` keeps
a server in the background of dom0 itself."""

SHELL = r"""web() {
    number=$1; shift
    xl create /etc/xen/web.cfg "name=\"web$number\"" "vif=[\"mac=$(printf '00:16:3e:00:01:%02x' $number), bridge=br0\"]" \
        "extra=\"console=hvc0 address=10.0.0.$((100 + number))/24\"" "$@" >/dev/null
}
answers() {
    timeout ${patience:-120} sh -c "until wget -qO- http://10.0.0.$((100 + $1))/ >/dev/null 2>&1; do usleep 100000; done" ||
        { echo "web$1 does not answer"; xl list; exit 1; }
}
serve() { setsid "$@" </dev/null >/dev/null 2>&1 & }
load() { number=$1; shift; wget -qO- "http://10.0.0.$((100 + number))/cgi-bin/load?$(echo "$*" | tr ' ' +)"; }
"""
