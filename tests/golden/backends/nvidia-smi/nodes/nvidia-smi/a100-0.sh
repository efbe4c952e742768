#!/bin/sh
# a100-0: cut the cards as planned. Run it as root on the node, with no pod left in the slices that
# go. It can be run again after any line. Written by rightslice.
set -eu
instance() {  # GPU PROFILE_ID START: the id of that instance, or nothing
  nvidia-smi mig -i "$1" -lgi | tr '|' ' ' | awk -v p="$2" -v s="$3:" \
    '$2 == "MIG" && $4 == p && index($6, s) == 1 { print $5 }'
}
create() {  # GPU PROFILE_ID START
  [ -n "$(instance "$1" "$2" "$3")" ] || nvidia-smi mig -i "$1" -cgi "$2:$3" -C
}
destroy() {  # GPU PROFILE_ID START
  gi=$(instance "$1" "$2" "$3")
  [ -n "$gi" ] || return 0
  nvidia-smi mig -i "$1" -gi "$gi" -dci
  nvidia-smi mig -i "$1" -gi "$gi" -dgi
}

mig_is_on() {
  mode=$(nvidia-smi -i "$1" --query-gpu=mig.mode.current --format=csv,noheader)
  [ "$mode" = Enabled ] || { echo "GPU $1: MIG is $mode; nvidia-smi -i $1 -mig 1" >&2; exit 1; }
}
only() {  # GPU "ID:START ...": remove what stands elsewhere
  for found in $(nvidia-smi mig -i "$1" -lgi | tr '|' ' ' | awk \
      '$2 == "MIG" { split($6, at, ":"); print $4 ":" at[1] }'); do
    case " $2 " in *" $found "*) ;; *) destroy "$1" "${found%:*}" "${found#*:}" ;; esac
  done
}

mig_is_on 0
only 0 '14:0 19:2 9:4'
create 0 14 0  # 2g.10gb
create 0 19 2  # 1g.5gb
create 0 9 4  # 3g.20gb

mig_is_on 1
only 1 '9:0 9:4'
create 1 9 0  # 3g.20gb
create 1 9 4  # 3g.20gb

nvidia-smi mig -lgi
