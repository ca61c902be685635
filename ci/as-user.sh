#!/bin/bash
# Runs a command as an ordinary user who has cgroups delegated by hand. Root only.
#
#   ci/as-user.sh [--subids | --number UID] [--] COMMAND...
#
# By default a user is made for it, without subordinate ids, and removed afterwards;
# --subids gives it a range of them. --number takes a bare uid that no account needs to
# have, for places where /etc cannot be written. The cgroups are children of our own (v1),
# or of the nearest one above us that hands the controllers on (v2), and are removed too.
set -euo pipefail

die() { echo "as-user.sh: $*" >&2; exit 125; }

subids=0 number=
while [[ $# -gt 0 ]]; do
    case $1 in
        --subids) subids=1; shift ;;
        --number) number=${2:?}; shift 2 ;;
        --) shift; break ;;
        -*) die "unknown option $1" ;;
        *) break ;;
    esac
done
[[ $# -gt 0 ]] || die "no command"
[[ $EUID == 0 ]] || die "making users and delegating cgroups takes root"

name=belljar-ci$$
home=$(mktemp -d "${TMPDIR:-/tmp}/belljar-home.XXXXXX")
made=()       # cgroup folders, outermost first
leaves=()     # where the command goes
user_made=0

clean_up() {
    local folder
    for folder in "${made[@]}"; do
        find "$folder" -depth -type d -exec rmdir {} + || true
    done
    if [[ $user_made == 1 ]]; then userdel "$name" || true; fi
    rm -rf "$home"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [[ -n $number ]]; then
    uid=$number gid=$number
    identity=(--reuid "$uid" --regid "$gid" --clear-groups)
else
    # A count of 0 keeps useradd from handing out ranges by itself.
    useradd --no-create-home --home-dir "$home" --shell /bin/bash \
        -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 "$name"
    user_made=1
    if [[ $subids == 1 ]]; then
        usermod --add-subuids 1879048192-1879113727 --add-subgids 1879048192-1879113727 "$name"
    fi
    uid=$(id -u "$name") gid=$(id -g "$name")
    identity=(--reuid "$name" --regid "$gid" --init-groups)
fi
chown "$uid:$gid" "$home"

# The folder of our cgroup in a hierarchy: where it is mounted, plus our path in it.
folder_of() { # KIND CONTROLLER PATH
    awk -v kind="$1" -v controller="$2" -v own="$3" '
        { for (i = 7; $i != "-"; i++); }
        $(i + 1) == kind && (controller == "" || ("," $(i + 3) ",") ~ ("," controller ",")) {
            root = $4 == "/" ? "" : $4
            if (index(own "/", root "/") != 1) next
            path = $5 substr(own, length(root) + 1)
        }
        END { sub(/\/$/, "", path); print path }
    ' /proc/self/mountinfo
}

delegate() { # FOLDER
    mkdir "$1"
    made+=("$1")
}

unified=
while IFS=: read -r _ controllers path; do
    if [[ -z $controllers ]]; then
        unified=$path
        continue
    fi
    for controller in memory pids cpu; do
        [[ ,$controllers, == *,$controller,* ]] || continue
        folder=$(folder_of cgroup "$controller" "$path")
        [[ -d $folder ]] || continue
        folder+=/$name
        # Controllers that are mounted together share one folder.
        if [[ ! -d $folder ]]; then
            delegate "$folder"
            chown -R "$uid:$gid" "$folder"
            leaves+=("$folder")
        fi
    done
done < /proc/self/cgroup

if [[ ${#leaves[@]} == 0 ]]; then
    [[ -n $unified ]] || die "no cgroup file system is mounted"
    folder=$(folder_of cgroup2 "" "$unified")
    [[ -d $folder ]] || die "our cgroup $unified is in no cgroup2 mount"
    # A cgroup that holds processes hands nothing on, but for the root of the whole tree.
    while ! grep -qw memory "$folder/cgroup.subtree_control"; do
        if [[ ! -e $folder/cgroup.type ]]; then
            echo "+memory +pids +cpu" > "$folder/cgroup.subtree_control"
            break
        fi
        folder=${folder%/*}
        [[ -e $folder/cgroup.subtree_control ]] || die "no cgroup above us hands memory on"
    done
    folder+=/$name
    delegate "$folder"
    mkdir "$folder/session"
    for file in . cgroup.procs cgroup.subtree_control cgroup.threads session session/cgroup.procs; do
        chown "$uid:$gid" "$folder/$file"
    done
    leaves+=("$folder/session")
fi

unset BELLJAR_STORE XDG_CACHE_HOME XDG_RUNTIME_DIR
export HOME=$home USER=$name LOGNAME=$name TMPDIR=$home
status=0
(
    for leaf in "${leaves[@]}"; do echo "$BASHPID" > "$leaf/cgroup.procs"; done
    exec setpriv "${identity[@]}" --inh-caps=-all -- "$@"
) || status=$?
exit "$status"
