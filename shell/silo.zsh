# silo shell hook for zsh 5 and newer. Load it with: eval "$(silo hook zsh)"
#
# A prompt or `cd` where nothing changed runs builtins only (docs/decisions.md, D7): it looks for the nearest silo.toml
# upward, and compares it with the stamp silo keeps for that project. Only a difference runs `silo export zsh`.

# What this shell last acted on; not exported, so that a shell inside a shell looks for itself.
typeset -g __silo_bin=@SILO@
typeset -g __silo_root='?' __silo_stamp='' __silo_gen='' __silo_off=''
# PATH as it was last seen, the folder of the instance that was left last, and the folder the hook last looked from.
typeset -g __silo_path='' __silo_left='' __silo_pwd=''
# By this a function that was copied into another shell knows that it is not in this one.
typeset -g +x __silo_pid=$$
# How many variables were set aside, see __silo_keep.
typeset -g __silo_kept=${__silo_kept-0}
# Moves that were made, each with the number of silo's answer or 0, and by the numbers what each answer goes by, see __silo_recall.
typeset -gA __silo_numbers
__silo_numbers=()
typeset -ga __silo_answers __silo_questions __silo_stamps __silo_roots __silo_files __silo_looks __silo_values
__silo_answers=()
# Tells `silo doctor`, a child, that this very shell has the hook, and whose.
typeset -gx __SILO_HOOK="$$ @VERSION@ $__silo_bin"

# Only assignments, conditions and what is made of them: for these zsh asks the system nothing, for each command, `&&` and
# `||` it masks signals several times.
__silo_hook() {
  local __silo_dir=${PWD%/} __silo_do=
  # Not while a widget or a completion moves about: the next command or prompt sees to it.
  if [[ -z ${WIDGET-} ]]; then
    __silo_pwd=$PWD
    # A shell that does not know its folder would look upward for ever.
    if [[ $__silo_dir != /* ]]; then __silo_dir=; fi
    until [[ -f $__silo_dir/silo.toml || -z $__silo_dir ]]; do
      __silo_dir=${__silo_dir%/*}
    done
    if [[ -n $__silo_dir || -f /silo.toml ]]; then __silo_dir=$__silo_dir/; fi
    if [[ -n $__silo_off && $__silo_dir == "$__silo_off" ]]; then
      __silo_do=
    elif [[ $__silo_dir != "$__silo_root" ]]; then
      __silo_do=move
    # The stamp's name holds the generation: with another one it is gone.
    elif [[ -n $__silo_gen && ( ! -f $__silo_stamp || ${__silo_dir}silo.toml -nt $__silo_stamp || ${__silo_dir}silo.toml -ot $__silo_stamp ) ]]; then
      __silo_do=ask
    # Without a generation it waits for one.
    elif [[ -z $__silo_gen && -n $__silo_stamp && -f $__silo_stamp ]]; then
      __silo_do=ask
    elif [[ ${PATH-} != "$__silo_path" ]]; then
      __silo_do=compare
    fi
  fi
  if [[ -n $__silo_do ]]; then "__silo_$__silo_do"; fi
}

# Just before a command runs: a key may have moved the shell since the prompt.
__silo_before() {
  if [[ $PWD != "$__silo_pwd" ]]; then __silo_hook; fi
}

# Another folder has another root, or none.
__silo_move() {
  [[ -z $__silo_stamp ]] || __silo_left=${__silo_stamp%/*}
  __silo_stamp='' __silo_gen='' __silo_off=''
  if [[ -n $__silo_dir || -n ${__SILO_UNDO-} ]]; then
    __silo_ask
  else
    __silo_root=''
  fi
}

# A program that puts back a PATH of its own (direnv, a venv) takes this instance's gates away, or brings those of one that
# was left. Each PATH is looked at once.
__silo_compare() {
  local __silo_list=":${PATH-}:" __silo_here=${__silo_stamp%/*}
  __silo_path=${PATH-}
  if [[ ${__SILO_UNDO-} == *';+/'* && $__silo_list != *":$__silo_here/gates:"* ]] ||
    [[ -n $__silo_left && $__silo_left != "$__silo_here" && $__silo_list == *":$__silo_left/gates:"* ]]; then
    __silo_ask
  fi
}

# Lets silo say what to change. When silo is gone (an upgrade, an unmounted disk) the prompt goes on without it. The root
# is taken note of only once silo has answered: a Ctrl-C or a kill before leaves the question to the next prompt.
__silo_ask() {
  [[ -x $__silo_bin ]] || return 0
  local __silo_text='' __silo_added='' __silo_move='' __silo_number='' __silo_question='' __silo_say='?' __silo_look='' __silo_value=''
  local -a __silo_fixed
  if [[ $__silo_dir != "$__silo_root" && $__silo_kept == 0 ]]; then
    __silo_recall
    if [[ $__silo_say != '?' ]]; then
      __silo_root=$__silo_dir __silo_path=${PATH-}
      if [[ -n $__silo_say && $ZSH_SUBSHELL == 0 ]]; then __silo_tell; fi
      return 0
    fi
  fi
  # A subshell ends with its line: nothing is said of entering and leaving.
  set -- "$__silo_gen"
  if [[ $ZSH_SUBSHELL != 0 ]]; then set -- subshell; fi
  __silo_text=$("$__silo_bin" export zsh --seen "$1") || [[ $? -lt 126 ]] || return 0
  __silo_root=$__silo_dir
  __silo_marked || return 0
  eval "$__silo_text" || :
  if [[ ${#__silo_fixed[@]} != 0 ]]; then typeset -g +x "${__silo_fixed[@]}"; fi
  __silo_path=${PATH-}
  if [[ $__silo_say != '?' && -z $__silo_added ]]; then __silo_remember; fi
}

# Says a line where silo would. A closed or full stderr, or a pipe that nobody reads, must not end the shell: zsh exits where it
# cannot write its own error.
__silo_tell() {
  setopt local_options local_traps
  trap '' PIPE
  if [[ -e /dev/fd/2 ]]; then print -r -- "$__silo_say" >&2 2>/dev/null || :; fi
}

# Gives the answer that silo gave before to the same move, where everything it goes by is as it was (docs/decisions.md, D119): then
# the text says last what is to be said. From the second time on an answer is kept: most moves are made once.
__silo_recall() {
  # A folder that was moved or removed under the shell has another name for silo than `PWD`.
  [[ $PWD -ef . ]] || return 0
  __silo_move="$__silo_root|"
  if [[ -n $__silo_dir ]]; then __silo_move+=$PWD; fi
  __silo_number=${__silo_numbers[$__silo_move]-}
  if [[ -z $__silo_number ]]; then
    if [[ ${#__silo_numbers} -ge 64 ]]; then __silo_numbers=() __silo_answers=(); fi
    __silo_numbers[$__silo_move]=0
    return 0
  fi
  # What silo goes by of the environment, other than the variables it sets; it sees of these what is exported.
  __silo_question="$__silo_move
${(t)HOME}=${HOME-}
${(t)XDG_STATE_HOME}=${XDG_STATE_HOME-}
${(t)XDG_DATA_HOME}=${XDG_DATA_HOME-}
${(t)XDG_CONFIG_HOME}=${XDG_CONFIG_HOME-}
${(t)SILO_LOG}=${SILO_LOG-}
${(t)SILO_PROFILE}=${SILO_PROFILE-}
${(t)PATH}=${PATH-}
${(t)__SILO_UNDO}=${__SILO_UNDO-}"
  if [[ $__silo_number == 0 || $__silo_question != "$__silo_questions[__silo_number]" ]]; then return 0; fi
  if [[ -n $__silo_dir ]]; then
    local __silo_toml=${__silo_dir}silo.toml __silo_at=$__silo_stamps[__silo_number] __silo_lock=${__silo_dir}.silo.lock
    local __silo_time=${__silo_at%/*}/lockfile-time
    if [[ ! -f $__silo_at || $__silo_toml -nt $__silo_at || $__silo_toml -ot $__silo_at || ! $__silo_dir -ef $__silo_roots[__silo_number] || ! -f $__silo_files[__silo_number] || ! -f $__silo_lock || ! -f $__silo_time || $__silo_lock -nt $__silo_time || $__silo_lock -ot $__silo_time ]]; then
      return 0
    fi
  fi
  local __silo_recalls=yes
  __silo_text=$__silo_answers[__silo_number]
  eval "$__silo_text" || :
}

# Notes how the variables are that were silo's, just before they change; or says whether they are as they were then.
__silo_note() {
  if [[ -n ${__silo_recalls-} ]]; then
    __silo_value=${(e)__silo_looks[__silo_number]}
    [[ $__silo_value == "$__silo_values[__silo_number]" ]]
    return
  fi
  local __silo_name
  for __silo_name; do
    __silo_look+="\${(t)$__silo_name}=\${$__silo_name-};"
  done
  __silo_value=${(e)__silo_look}
}

# Keeps an answer with all it goes by; a few.
__silo_remember() {
  if [[ $__silo_number == 0 ]]; then
    if [[ ${#__silo_answers} -ge 12 ]]; then __silo_numbers=() __silo_answers=(); fi
    __silo_number=$(( ${#__silo_answers} + 1 ))
    __silo_numbers[$__silo_move]=$__silo_number
  fi
  __silo_answers[__silo_number]=$__silo_text __silo_questions[__silo_number]=$__silo_question
  __silo_looks[__silo_number]=$__silo_look __silo_values[__silo_number]=$__silo_value
  __silo_stamps[__silo_number]=$__silo_stamp __silo_roots[__silo_number]=${SILO_ROOT-} __silo_files[__silo_number]=${SILO_ENV_FILE-}
}

# Of what arrived only what silo marked: a trap, a trace, or a program around silo may have added to it. Usually nothing has, and
# the marks themselves do no harm. They stand here in another way: a trap may show functions.
__silo_marked() {
  [[ $__silo_text != \[\[\ __silo_text=\'begin\'\ \]\]*\[\[\ __silo_text=\'end\'\ \]\] ]] || return 0
  [[ $__silo_text == *\[\[\ __silo_text=\'begin\'\ \]\]*\[\[\ __silo_text=\'end\'\ \]\]* ]] || return
  __silo_added=yes
  __silo_text=${__silo_text#*\[\[\ __silo_text=\'begin\'\ \]\]}
  __silo_text=${__silo_text%\[\[\ __silo_text=\'end\'\ \]\]*}
}

# Sets aside what the environment shows nothing of: that a variable silo is about to set is not exported, a number or a list. $1
# asks for the kinds of all, and has the names, or is `here`: the line that calls this has them. Behind it are names that were
# silo's. One that a function has for its own hides the shell's: the next prompt sees to it. What cannot be changed stays.
__silo_keep() {
  local __silo_name __silo_asked=$1
  if [[ $1 == here ]]; then
    __silo_asked=${__silo_text#*' && '}
    __silo_asked=${__silo_asked%%' == '*}
  fi
  local __silo_kinds=${(e)__silo_asked}
  for __silo_name in "${@[2,-1]}"; do
    if [[ ${(Pt)__silo_name} == *-local* ]]; then __silo_kinds=-local; fi
  done
  if [[ -n ${__silo_recalls-} ]]; then
    # Silo itself must see to what was not there before.
    [[ -z $__silo_kinds ]]
    return
  elif [[ $__silo_kinds == *-local* ]]; then
    __silo_root='?'
    return 1
  fi
  if [[ $__silo_kept == 0 && -z ${__silo_kinds//scalar-export/} ]]; then return 0; fi
  set -- ${${(ps:\x7d:)__silo_asked}#'${(t)'}
  local __silo_kind __silo_how __silo_value
  local -a __silo_all
  for __silo_name; do
    __silo_drop
    __silo_kind=${(Pt)__silo_name} __silo_how=-g
    if [[ $__silo_kind == *-readonly* && $__silo_kind != *-export* ]]; then
      # It keeps its value, and is exported by the attempt to give it another one.
      __silo_fixed+=($__silo_name)
    fi
    if [[ -z $__silo_kind || $__silo_kind == (scalar-export|*-(readonly|special|tied)*) ]]; then continue; fi
    __silo_value=${(P)__silo_name}
    if [[ $__silo_kind == *-export* ]]; then __silo_how+=x; fi
    if [[ $__silo_kind == *-upper* ]]; then __silo_how+=u; fi
    if [[ $__silo_kind == *-lower* ]]; then __silo_how+=l; fi
    if [[ $__silo_kind == *-unique* ]]; then __silo_how+=U; fi
    if [[ $__silo_kind == *-tag* ]]; then __silo_how+=t; fi
    if [[ $__silo_kind == *-hideval* ]]; then __silo_how+=H; fi
    if [[ $__silo_kind == *-hide(|-*) ]]; then __silo_how+=h; fi
    # The value is as wide as it was to be.
    if [[ $__silo_kind == *-left* ]]; then __silo_how+="L${#__silo_value} -"; fi
    if [[ $__silo_kind == *-right_blanks* ]]; then __silo_how+="R${#__silo_value} -"; fi
    if [[ $__silo_kind == *-right_zeros* ]]; then __silo_how+="Z${#__silo_value} -"; fi
    case $__silo_kind in
      array* | association*)
        __silo_all=("${(@kvP)__silo_name}")
        if [[ $__silo_kind == array* ]]; then __silo_how+=a; else __silo_how+=A; fi
        __silo_how+=" $__silo_name; $__silo_name=(${(j: :)${(@qq)__silo_all}})"
        ;;
      integer*) __silo_how+="i $__silo_name=$__silo_value" ;;
      # As many digits as it shows.
      float*)
        if [[ $__silo_value == *e* ]]; then
          __silo_how+="E${#${${__silo_value%e*}//[^0-9]/}} $__silo_name=$__silo_value"
        else
          __silo_how+="F${#${__silo_value#*.}} $__silo_name=$__silo_value"
        fi
        ;;
      *) __silo_how="${__silo_how% -} $__silo_name=${(qq)__silo_value}" ;;
    esac
    typeset -g "__silo_was_$__silo_name=typeset $__silo_how"
    unset $__silo_name
    __silo_kept=$(( __silo_kept + 1 ))
  done
}

# Brings it back.
__silo_return() {
  local __silo_name __silo_was
  for __silo_name; do
    __silo_was=__silo_was_$__silo_name
    if [[ -n ${(P)__silo_was-} ]]; then
      unset $__silo_name
      eval "${(P)__silo_was}"
      __silo_drop
    fi
  done
}

# Forgets one.
__silo_drop() {
  local __silo_was=__silo_was_$__silo_name
  if [[ -n ${(P)__silo_was-} ]]; then
    unset $__silo_was
    __silo_kept=$(( __silo_kept - 1 ))
  fi
}

# `silo deactivate` changes this very shell, which no program can: it is off until the folder is left. Every other
# call is the program's: that of PATH, or else the hook's own. The snapshot of a tool may have kept this function alone, and
# runs it in another shell.
function silo {
  if [[ $# -eq 2 && $1 == cd && $2 != -* && ${__silo_pid-} == "$$" ]]; then
    # Nor can a program go somewhere in this shell.
    local __silo_to=''
    __silo_to=$("$__silo_bin" cd --print -- "$2") && \cd "$__silo_to"
    return
  fi
  if [[ $# -ne 1 || $1 != deactivate || -z ${__SILO_UNDO-} || ${__silo_pid-} != "$$" ]]; then
    local __silo_own="${__SILO_HOOK-}" __silo_lost=''
    __silo_own=${__silo_own#* * }
    if [[ ${__silo_pid-} == "$$" && -o interactive ]]; then __silo_uncalled; fi
    [[ -z $__silo_lost ]] || local -x __SILO_UNCALLED=$__silo_lost
    if [[ -f $__silo_own && -x $__silo_own ]] && ! whence -p silo >/dev/null; then
      "$__silo_own" "$@"
    else
      command silo "$@"
    fi
    return
  fi
  local __silo_text='' __silo_added=''
  __silo_text=$("$__silo_bin" export zsh --seen off) || return
  __silo_marked || return
  eval "__silo_off=\$__silo_root
$__silo_text"
}

# Whether somebody has taken the hook's place since, which only the shell knows, and silo tells. A function that calls the hook
# does too.
__silo_uncalled() {
  # `add-zsh-hook -d` unsets a list with the last of its functions.
  local __silo_list
  for __silo_list in precmd chpwd preexec; do
    local -a __silo_calls
    __silo_calls=("${(@P)${:-${__silo_list}_functions}}")
    if [[ " ${(j: :)__silo_calls[@]} " != *" __silo_(hook|before) "* && "$(typeset -f $__silo_list "${__silo_calls[@]}")" != *__silo_(hook|before)* ]]; then
      __silo_lost="${__silo_list}_functions=(${(j: :)__silo_calls[@]})"
      return
    fi
  done
}

# Once each, and first: what comes behind may build the prompt from the variables. chpwd makes `cd x && cmd` work.
typeset -ga precmd_functions chpwd_functions preexec_functions
(( ${precmd_functions[(I)__silo_hook]} )) || precmd_functions=(__silo_hook $precmd_functions)
(( ${chpwd_functions[(I)__silo_hook]} )) || chpwd_functions=(__silo_hook $chpwd_functions)
(( ${preexec_functions[(I)__silo_before]} )) || preexec_functions=(__silo_before $preexec_functions)
