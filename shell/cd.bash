
# bash tells nobody of a move. So that what follows it on its line, in a function or in a subshell is in the folder's
# own instance, `cd`, `popd` and `pushd` are functions that look; a function of the user's goes on behind them under another
# name. In a shell that has them without the hook (exported, or from the snapshot of a tool) they are what they stand for.
__silo_options=$-
\builtin set +a
__silo_moves=${__silo_moves:-0}
__silo_unseen=0
__silo_moved() {
  \builtin local __silo_at="$1" __silo_in=''
  if [[ ${#FUNCNAME[@]} -gt 2 ]]; then
    # A file that is read, and a script, are no functions.
    __silo_in="${FUNCNAME[*]:2}"
    __silo_in=${__silo_in//source/} __silo_in=${__silo_in//main/} __silo_in=${__silo_in// /}
  fi
  # A completion comes back to where it was.
  [[ -n ${COMP_LINE+x} ]] || __silo_hook || \builtin :
  \builtin return "${2-0}"
}

# Where a prompt finds a move that none of them has seen, the user may have defined such a function. Or a tool goes by `builtin
# cd`, as zoxide does: the look costs as much as all else of a move, and so is rare once it has found nothing.
__silo_rewrap() {
  if [[ ${__silo_root-} != '?' ]]; then
    __silo_unseen=$((__silo_unseen + 1))
    [[ $((__silo_unseen % 8)) == 1 ]] || \builtin return 0
  fi
  __silo_wrap
}

# The user may define such a function at any time: looked at when the hook is loaded, at the first prompt, and where a
# prompt finds a move that none of them has seen. One that was taken away stays away.
__silo_wrap() {
  \builtin local __silo_name='' __silo_text='' __silo_users='' __silo_aliases=''
  if [[ $# -eq 0 ]]; then
    __silo_text=$(\builtin declare -f cd popd pushd) || \builtin :
    [[ $__silo_text != *'__silo_moved cd'*'__silo_moved popd'*'__silo_moved pushd'* ]] || \builtin return 0
  fi
  for __silo_name in cd popd pushd; do
    if \builtin declare -F "$__silo_name" >/dev/null; then
      __silo_text=$(\builtin declare -f "$__silo_name")
      [[ $__silo_text != *"__silo_moved $__silo_name"* ]] || \builtin continue
      __silo_moves=$((__silo_moves + 1))
      __silo_users=__silo_users_${__silo_name}_$__silo_moves
      # It goes on meaning what it meant, whatever aliases there are by now.
      if \builtin shopt -q expand_aliases; then __silo_aliases=on; fi
      \builtin shopt -u expand_aliases
      \builtin eval "function $__silo_users ${__silo_text#*\(\)}" || __silo_users=''
      [[ -z $__silo_aliases ]] || \builtin shopt -s expand_aliases
      [[ -n $__silo_users ]] || \builtin continue
      __silo_text="if [[ \${__silo_pid-} == \$\$ ]]; then $__silo_users \"\$@\"; __silo_moved $__silo_name \"\$?\"; else \\builtin $__silo_name \"\$@\"; fi"
    elif [[ $# -gt 0 ]]; then
      __silo_text="\\builtin $__silo_name \"\$@\" || \\builtin return; [[ \${__silo_pid-} != \$\$ ]] || __silo_moved $__silo_name"
    else
      \builtin continue
    fi
    \builtin eval "function $__silo_name { $__silo_text; }"
    __silo_unseen=0
  done
}
__silo_wrap load
[[ $__silo_options != *a* ]] || \builtin set -a
\builtin unset -v __silo_options
