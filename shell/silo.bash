# silo shell hook for bash 3.2 and newer. Load it with: eval "$(silo hook bash)"
#
# A prompt where nothing changed runs builtins only (docs/decisions.md, D7): it looks for the nearest silo.toml upward, and
# compares it with the stamp silo keeps for that project. Only a difference runs `silo export bash`.

# Nothing of this is exported, under `set -a` either.
__silo_options=$-
\builtin set +a
# What this shell last acted on; not exported, so that a shell inside a shell looks for itself.
__silo_bin=@SILO@
__silo_root='?' __silo_stamp='' __silo_gen='' __silo_off=''
# PATH as it was last seen, and the folder of the instance that was left last.
__silo_path='' __silo_left=''
# How many variables were set aside, and whether this bash tells attributes, see __silo_keep.
__silo_kept=${__silo_kept-0} __silo_asks=''
[[ ${BASH_VERSINFO[0]}${BASH_VERSINFO[1]} -lt 44 ]] || __silo_asks=yes
# Moves that were made, each with the number of silo's answer or 0, and by the numbers what each answer goes by, see __silo_recall.
[[ -z $__silo_asks ]] || \builtin declare -gA __silo_numbers
__silo_numbers=() __silo_answers=('') __silo_questions=() __silo_stamps=() __silo_roots=() __silo_files=() __silo_looks=() __silo_values=()
# What PROMPT_COMMAND calls: a child that inherits that has no such function.
__silo_hook=__silo_hook
# By this a function that was exported, or copied into another shell, knows that it is not in this one.
__silo_pid=$$
\builtin export -n __silo_pid
# Tells `silo doctor`, a child, that this very shell has the hook, and whose.
\builtin export __SILO_HOOK="$$ @VERSION@ $__silo_bin"

__silo_hook() {
  # A trace, traps for every function, exports of everything and a care for names are not meant for this: a trace shows this line
  # alone.
  case $- in
    *[aeETuvx]*)
      { \builtin local __silo_status="$?" __silo_options="$-"; \builtin set +aeETuvx; } 2>/dev/null
      __silo_hook
      # Handed on under `set -e` it would end the shell, where somebody calls this in another way than PROMPT_COMMAND does.
      { [[ $__silo_options != *e* ]] || __silo_status=0; \builtin set "-${__silo_options//[!aeETuvx]/}"; \builtin return "$__silo_status"; } 2>/dev/null
      ;;
    # Quoted: behind `builtin` these are arguments, which split.
    *) \builtin local __silo_status="$?" __silo_dir="${PWD-}" ;;
  esac
  # A shell that does not know its folder would look upward for ever.
  until [[ $__silo_dir != /* || -f $__silo_dir/silo.toml ]]; do
    __silo_dir=${__silo_dir%/*}
  done
  [[ -n $__silo_dir || -f /silo.toml ]] && __silo_dir=${__silo_dir%/}/
  # The usual prompt, with nothing changed, is one condition.
  if [[ $__silo_dir == "$__silo_root" && ${PATH-} == "$__silo_path" && (-n $__silo_gen && -f $__silo_stamp && ! ${__silo_dir}silo.toml -nt $__silo_stamp && ! ${__silo_dir}silo.toml -ot $__silo_stamp || -z $__silo_gen && (-z $__silo_stamp || ! -f $__silo_stamp)) ]]; then
    \builtin return "$__silo_status"
  elif [[ -n $__silo_off && $__silo_dir == "$__silo_off" ]]; then
    \builtin :
  elif [[ $__silo_dir != "$__silo_root" ]]; then
    [[ -z $__silo_stamp ]] || __silo_left=${__silo_stamp%/*}
    __silo_stamp='' __silo_gen='' __silo_off=''
    [[ -z ${__silo_moves-} || -n ${__silo_at-} ]] || __silo_rewrap
    if [[ -n $__silo_dir || -n ${__SILO_UNDO-} ]]; then
      __silo_run
    else
      __silo_root=''
    fi
  # The stamp's name holds the generation: with another one it is gone. Nothing is read, for a redirection costs more than
  # all the rest.
  elif [[ -n $__silo_gen && (! -f $__silo_stamp || ${__silo_dir}silo.toml -nt $__silo_stamp || ${__silo_dir}silo.toml -ot $__silo_stamp) ]]; then
    __silo_run
  # Without a generation it waits for one.
  elif [[ -z $__silo_gen && -n $__silo_stamp && -f $__silo_stamp ]]; then
    __silo_run
  elif [[ ${PATH-} != "$__silo_path" ]] && __silo_strayed; then
    __silo_run
  fi
  \builtin return "$__silo_status"
}

# A program that puts back a PATH of its own (direnv, a venv) takes this instance's gates away, or brings those of one that
# was left. Each PATH is looked at once.
__silo_strayed() {
  \builtin local __silo_list=":${PATH-}:" __silo_here=${__silo_stamp%/*}
  __silo_path=${PATH-}
  [[ ${__SILO_UNDO-} == *';+/'* && $__silo_list != *":$__silo_here/gates:"* ]] ||
    [[ -n $__silo_left && $__silo_left != "$__silo_here" && $__silo_list == *":$__silo_left/gates:"* ]]
}

# Lets silo say what to change. When silo is gone (an upgrade, an unmounted disk) the prompt goes on without it. The root
# is taken note of only once silo has answered: a Ctrl-C or a kill before leaves the question to the next prompt.
__silo_run() {
  [[ -x $__silo_bin ]] || \builtin return 0
  \builtin local __silo_text='' __silo_added='' __silo_move='' __silo_number='' __silo_question='' __silo_say='?' __silo_look='' __silo_value=''
  \builtin local -a __silo_fixed
  __silo_fixed=()
  # A line into a pipe that nobody reads would end the shell, not silo.
  if [[ $__silo_dir != "$__silo_root" && -n $__silo_asks && $__silo_kept == 0 && ! -p /dev/fd/2 ]]; then
    __silo_recall
    if [[ $__silo_say != '?' ]]; then
      __silo_root=$__silo_dir __silo_path=${PATH-}
      [[ -z $__silo_say || $BASH_SUBSHELL != 0 ]] || \builtin printf '%s\n' "$__silo_say" >&2 2>/dev/null || \builtin :
      \builtin return 0
    fi
  fi
  # A subshell ends with its line: nothing is said of entering and leaving.
  \builtin set -- "$__silo_gen"
  [[ $BASH_SUBSHELL == 0 ]] || \builtin set -- subshell
  __silo_text=$("$__silo_bin" export bash --seen "$1") || [[ $? -lt 126 ]] || \builtin return 0
  __silo_root=$__silo_dir
  __silo_marked || \builtin return 0
  \builtin eval "$__silo_text"
  [[ ${#__silo_fixed[@]} == 0 ]] || \builtin declare -g +x "${__silo_fixed[@]}"
  __silo_path=${PATH-}
  [[ $__silo_say == '?' || -n $__silo_added ]] || __silo_remember
}

# Gives the answer that silo gave before to the same move, where everything it goes by is as it was (docs/decisions.md, D119): then
# the text says last what is to be said. From the second time on an answer is kept: most moves are made once.
__silo_recall() {
  # A folder that was moved or removed under the shell has another name for silo than `PWD`.
  [[ ${PWD-} -ef . ]] || \builtin return 0
  __silo_move="$__silo_root|${__silo_dir:+$PWD}"
  __silo_number=${__silo_numbers[$__silo_move]-}
  if [[ -z $__silo_number ]]; then
    [[ ${#__silo_numbers[@]} -lt 64 ]] || __silo_numbers=() __silo_answers=('')
    __silo_numbers[$__silo_move]=0
    \builtin return 0
  fi
  # What silo goes by of the environment, other than the variables it sets; it sees of these what is exported.
  __silo_question="$__silo_move
${HOME@A}
${XDG_STATE_HOME@A}
${XDG_DATA_HOME@A}
${XDG_CONFIG_HOME@A}
${SILO_LOG@A}
${SILO_PROFILE@A}
${PATH@A}
${__SILO_UNDO@A}"
  # Patterns would not tell upper case from lower under `nocasematch`.
  [[ $__silo_number != 0 ]] && \builtin test "$__silo_question" = "${__silo_questions[__silo_number]}" || \builtin return 0
  if [[ -n $__silo_dir ]]; then
    \builtin set -- "${__silo_dir}silo.toml" "${__silo_stamps[__silo_number]}" "${__silo_dir}.silo.lock"
    \builtin set -- "$@" "${2%/*}/lockfile-time"
    [[ -f $2 && ! $1 -nt $2 && ! $1 -ot $2 && $__silo_dir -ef ${__silo_roots[__silo_number]} && -f ${__silo_files[__silo_number]} && -f $3 && -f $4 && ! $3 -nt $4 && ! $3 -ot $4 ]] ||
      \builtin return 0
  fi
  \builtin local __silo_recalls=yes
  __silo_text=${__silo_answers[__silo_number]}
  \builtin eval "$__silo_text"
}

# Notes how the variables are that were silo's, just before they change; or says whether they are as they were then.
__silo_note() {
  if [[ -n ${__silo_recalls-} ]]; then
    \builtin eval "__silo_value=\"${__silo_looks[__silo_number]}\""
    \builtin test "$__silo_value" = "${__silo_values[__silo_number]}"
    \builtin return
  fi
  # shellcheck disable=SC2016 # It is expanded behind `eval`.
  \builtin printf -v __silo_look '${%s@A}' "$@"
  \builtin eval "__silo_value=\"$__silo_look\""
}

# Keeps an answer with all it goes by; a few.
__silo_remember() {
  if [[ $__silo_number == 0 ]]; then
    [[ ${#__silo_answers[@]} -le 12 ]] || __silo_numbers=() __silo_answers=('')
    __silo_number=${#__silo_answers[@]}
    __silo_numbers[$__silo_move]=$__silo_number
  fi
  __silo_answers[__silo_number]=$__silo_text __silo_questions[__silo_number]=$__silo_question
  __silo_looks[__silo_number]=$__silo_look __silo_values[__silo_number]=$__silo_value
  __silo_stamps[__silo_number]=$__silo_stamp __silo_roots[__silo_number]=${SILO_ROOT-} __silo_files[__silo_number]=${SILO_ENV_FILE-}
}

# Of what arrived only what silo marked: a DEBUG or ERR trap, a trace, or a program around silo may have added to it. Usually
# nothing has, and the marks themselves do no harm. They stand here in another way: a trap may show functions.
__silo_marked() {
  [[ $__silo_text != \[\[\ __silo_text=\'begin\'\ \]\]*\[\[\ __silo_text=\'end\'\ \]\] ]] || \builtin return 0
  [[ $__silo_text == *\[\[\ __silo_text=\'begin\'\ \]\]*\[\[\ __silo_text=\'end\'\ \]\]* ]] || \builtin return
  __silo_added=yes
  __silo_text=${__silo_text#*\[\[\ __silo_text=\'begin\'\ \]\]}
  __silo_text=${__silo_text%\[\[\ __silo_text=\'end\'\ \]\]*}
}

# Sets aside what the environment shows nothing of: that a variable silo is about to set is not exported, a number or a list.
# With $1 the line that calls this asks for attributes, and has the names: twice where nothing is seen of one. Behind $1 are
# names that were silo's. What cannot be changed stays. Before bash 4.4 attributes cannot be asked for without a program. Where a
# function that changes the folder has one for its own, which hides the shell's, the next prompt sees to all of it.
__silo_keep() {
  \builtin local __silo_asked=''
  if [[ -n $1 ]]; then
    __silo_asked=${__silo_text#*' == 0yes && '}
    __silo_asked=${__silo_asked%%' == '*}
  fi
  if [[ -n ${__silo_in-} ]] && __silo_hides "$__silo_asked" "${@:2}"; then
    [[ -n ${__silo_recalls-} ]] || __silo_root='?'
    \builtin return 1
  fi
  \builtin local IFS='}' __silo_name='' __silo_flags='' __silo_was='' __silo_by=${__silo_asks:+@a}
  if [[ -n $__silo_asks ]]; then
    \builtin eval "__silo_flags=$__silo_asked"
    if [[ -n ${__silo_recalls-} ]]; then
      # Silo itself must see to what was not there before.
      [[ -z $__silo_flags ]]
      \builtin return
    fi
    [[ $__silo_kept != 0 || $__silo_flags == *[!x]* ]] || \builtin return 0
  fi
  for __silo_name in $__silo_asked; do
    [[ $__silo_name == *"${__silo_by:-+=}" ]] || \builtin continue
    __silo_name=${__silo_name#\$\{}
    __silo_name=${__silo_name%"${__silo_by:-+=}"}
    __silo_drop
    if [[ -n $__silo_asks ]]; then
      \builtin eval "__silo_flags=\${$__silo_name@a} __silo_was=\${${__silo_name}[@]@A}"
      # One that is readonly keeps its value, and is exported by the attempt to give it another one.
      if [[ $__silo_flags == *r* && $__silo_flags != *x* ]]; then
        __silo_fixed[${#__silo_fixed[@]}]=$__silo_name
      fi
      [[ -n $__silo_was && $__silo_flags != *r* && $__silo_flags != x ]] || \builtin continue
    else
      [[ -n ${!__silo_name+x} ]] || \builtin continue
      \builtin printf -v __silo_was '%s=%q' "$__silo_name" "${!__silo_name}"
    fi
    # In a function it would be local to that.
    [[ $__silo_was != 'declare '* ]] || __silo_was="declare -g ${__silo_was#declare }"
    \builtin printf -v "__silo_was_$__silo_name" %s "$__silo_was"
    \builtin unset -v "$__silo_name"
    __silo_kept=$((__silo_kept + 1))
  done
}

# Whether one of these is a function's own: then what is set for the whole shell is not what is seen. Before bash 4.2 nothing
# tells. From 4.4 on a mark that is put on the shell's own and taken off again does, where it is seen on all of them; else, in a
# subshell, a value. Usually none of those that are asked for in $1 is declared at all; behind it are those that were silo's, and are.
__silo_hides() {
  [[ ${BASH_VERSINFO[0]}${BASH_VERSINFO[1]} -ge 42 ]] || \builtin return
  \builtin local IFS='} ' __silo_name='' __silo_found="${2-}"
  \builtin local -a __silo_all
  __silo_all=("${@:2}")
  for __silo_name in $1; do
    # What ends so is there by its attributes, too.
    [[ $__silo_name == *+= ]] || __silo_all[${#__silo_all[@]}]=${__silo_name:2:${#__silo_name}-4}
  done
  if [[ -n $__silo_asks ]] && \builtin declare -gt "${__silo_all[@]}" 2>/dev/null; then
    # shellcheck disable=SC2016 # It is expanded behind `eval`.
    \builtin printf -v __silo_name '${%s@a}' "${__silo_all[@]}"
    \builtin eval "__silo_name=\"$__silo_name\""
    \builtin declare -g +t "${__silo_all[@]}"
    __silo_name=${__silo_name//[!t]/}
    [[ ${#__silo_name} != "${#__silo_all[@]}" ]] || \builtin return 1
  fi
  for __silo_name in "${__silo_all[@]}"; do
    [[ -z $__silo_found ]] || \builtin break
    ! \builtin declare -p "$__silo_name" || __silo_found=yes
  done >/dev/null 2>&1
  [[ -n $__silo_found ]] || \builtin return 1
  (
    for __silo_name in "${__silo_all[@]}"; do
      \builtin declare -g "$__silo_name=silo"
      [[ ${!__silo_name-} == silo ]] || \builtin exit 0
    done
    \builtin exit 1
  ) 2>/dev/null
}

# Brings it back.
__silo_return() {
  \builtin local __silo_name __silo_was
  for __silo_name; do
    __silo_was=__silo_was_$__silo_name
    if [[ -n ${!__silo_was-} ]]; then
      \builtin unset -v "$__silo_name"
      \builtin eval "${!__silo_was}"
      __silo_drop
    fi
  done
}

# Forgets one.
__silo_drop() {
  \builtin local __silo_was="__silo_was_$__silo_name"
  if [[ -n ${!__silo_was-} ]]; then
    \builtin unset -v "$__silo_was"
    __silo_kept=$((__silo_kept - 1))
  fi
}

# A failure in there, as of a readonly variable, is the end of nothing: under `set -e` bash forgets behind `builtin eval` and
# `builtin command` that somebody looks at it. Nothing of the hook is exported under `set -a`.
__silo_eval() {
  \builtin local __silo_options="$-"
  \builtin set +aeu
  \builtin eval "$1"
  [[ $__silo_options != *[aeu]* ]] || \builtin set "-${__silo_options//[!aeu]/}"
}

# `silo deactivate` changes this very shell, which no program can: it is off until the folder is left. With the word
# `function` an alias of the same name does no harm. Every other call is the program's: that of `PATH`, or else the hook's own.
# The snapshot of a tool may have kept this function alone, and runs it in another shell.
function silo {
  if [[ $# -eq 2 && $1 == cd && $2 != -* && ${__silo_pid-} == "$$" ]]; then
    # Nor can a program go somewhere in this shell.
    \builtin local __silo_to=''
    __silo_to=$("$__silo_bin" cd --print -- "$2") || \builtin return
    \cd "$__silo_to" || \builtin return
    \builtin return
  fi
  if [[ $# -ne 1 || $1 != deactivate || -z ${__SILO_UNDO-} || ${__silo_pid-} != "$$" ]]; then
    \builtin local __silo_own="${__SILO_HOOK-}" __silo_lost=''
    __silo_own=${__silo_own#* * }
    if [[ ${__silo_pid-} == "$$" && $- == *i* ]]; then __silo_uncalled; fi
    [[ -z ${__silo_lost-} ]] || \builtin local -x __SILO_UNCALLED="$__silo_lost"
    if [[ -f $__silo_own && -x $__silo_own ]] && ! \builtin type -P silo >/dev/null; then
      "$__silo_own" "$@"
    else
      \command silo "$@"
    fi
    \builtin return
  fi
  \builtin local __silo_text='' __silo_added=''
  __silo_text=$("$__silo_bin" export bash --seen off) || \builtin return
  __silo_marked || \builtin return
  __silo_eval "__silo_off=\$__silo_root
$__silo_text"
}

# Whether somebody has taken the hook's place since, which only the shell knows, and silo tells. Who keeps what was there before,
# as starship does, calls it still.
__silo_uncalled() {
  [[ ${PROMPT_COMMAND[*]-} != *__silo_hook* ]] || \builtin return 0
  \builtin local IFS=$' \t\n;' __silo_text=''
  # shellcheck disable=SC2086,SC2048 # Its words.
  __silo_text=$(\builtin declare -p; \builtin declare -f -- silo- ${PROMPT_COMMAND[*]-}) || \builtin :
  # A variable of the hook's own is nobody else's.
  [[ ${__silo_text//\ __silo_hook=\"__silo_hook\"/} != *__silo_hook* ]] || \builtin return 0
  IFS=' '
  __silo_lost="PROMPT_COMMAND=${PROMPT_COMMAND[*]-}"
  [[ ! $__silo_text =~ declare\ -[a-zA-Z]*r[a-zA-Z]*\ PROMPT_COMMAND= ]] || __silo_lost="readonly $__silo_lost"
}

# Once, and first: what comes behind may build the prompt from the variables. Since bash 5.1 PROMPT_COMMAND may be
# an array; a string stays a string. Before `&&` a status that is handed on sets off no ERR trap, and ends nothing under `set -e`.
__silo_install() {
  if [[ ${BASH_VERSINFO[0]}${BASH_VERSINFO[1]} -ge 51 && -n ${PROMPT_COMMAND[*]+set} && ${PROMPT_COMMAND@a} == *a* ]]; then
    [[ " ${PROMPT_COMMAND[*]} " == *__silo_hook* ]] || PROMPT_COMMAND=("$1" "${PROMPT_COMMAND[@]}")
  elif [[ ${PROMPT_COMMAND-} != *__silo_hook* ]]; then
    # shellcheck disable=SC2178,SC2128 # Here it is a string.
    PROMPT_COMMAND="$1${PROMPT_COMMAND:+;$PROMPT_COMMAND}"
  fi
}
# shellcheck disable=SC2016 # It is expanded at the prompt.
__silo_install '"${__silo_hook-:}" && :'
unset -f __silo_install
[[ $__silo_options != *a* ]] || \builtin set -a
unset -v __silo_options
