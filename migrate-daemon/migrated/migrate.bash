# Bash completion for migrate and migrated: below /usr/share/bash-completion/completions, as "migrate" and "migrated".

_migrate_domains() { xl list 2>/dev/null | awk 'NR > 2 { print $1 }'; }
_migrate_hosts() { getent hosts 2>/dev/null | awk '$1 !~ /^(127\.|::1)/ { print $2 }'; }
_migrate_ids() { migrate "$1" --format json 2>/dev/null | grep -o '"id":"[0-9a-f]*"' | cut -d'"' -f4; }

_migrate() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words
    COMPREPLY=()
    if [[ ${COMP_WORDS[1]} == keys && $COMP_CWORD -gt 1 ]]; then
        case $COMP_CWORD:$before in
        2:*) words='init trust show' ;;
        *:trust) words=$(_migrate_hosts); mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        *) words='--folder --name --days --laboratory --port --help' ;;
        esac
    else
        case $before in
        --save) words=$(_migrate_domains) ;;
        --restore | --config | --husk | --socket | --heard) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --cancel | --resolve) words=$(_migrate_ids --status) ;;
        --report) words=$(_migrate_ids --history) ;;
        --policy) words='tern xen clark' ;;
        --on-timeout) words='cancel force throttle' ;;
        --format) words='text json jsonl' ;;
        --way) words='auto cooperative transparent' ;;
        *)
            if [[ $word == -* ]]; then
                words='--save --restore --status --cancel --resolve --history --report --heard --checkpoint --stopped --paused --dry-run --policy --max-downtime --timeout --on-timeout --bandwidth --streams --insecure --way --wait --patience --compress --husk --socket --format --help'
            elif [[ $COMP_CWORD -eq 1 ]]; then
                words="keys $(_migrate_domains)"
            else
                words=$(_migrate_hosts)
            fi
            ;;
        esac
    fi
    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _migrate migrate

_migrated() {
    if [[ ${COMP_WORDS[1]} == keys ]]; then
        _migrate
    elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --config ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    else
        mapfile -t COMPREPLY < <(compgen -W 'keys --config --check --help' -- "${COMP_WORDS[COMP_CWORD]}")
    fi
}
complete -F _migrated migrated
