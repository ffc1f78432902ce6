# What setup and doctor both ask. Sourced, not run.
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
backports=bookworm-backports

wanted_packages() { sed -e 's/#.*//' "$tools/packages.txt" | awk 'NF { print $1 }'; }

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# Debian 12's own QEMU, 7.2, has faults that no CPU has (docs/debugging.md).
qemu_new_enough() {
    dpkg --compare-versions "$(dpkg-query -W -f '${Version}' qemu-system-x86 2>/dev/null || echo 0)" ge 1:10
}

missing_packages() {
    local name
    for name in $(wanted_packages); do
        installed "$name" || echo "$name"
    done
    if installed qemu-system-x86 && ! qemu_new_enough; then
        echo qemu-system-x86
    fi
}

is_bookworm() { grep -qs '^VERSION_CODENAME=bookworm$' /etc/os-release; }
