# silo's completions for bash 3.2 and newer. Load them with: eval "$(silo completions bash)"
#
# silo itself knows what fits (`silo __complete`); this hands it the words up to the cursor, and what is better
# completed by the shell back to the shell.

_silo() {
  local word=${COMP_WORDS[COMP_CWORD]} answer='' rest='' line='' end=$'\n'
  # Since bash 4 a word begins behind its `=`, and $2 ends at the cursor.
  [[ ${BASH_VERSINFO[0]} -lt 4 ]] || word=$2
  local head=${word%"$2"}
  COMPREPLY=()
  answer=$(command silo __complete bash "${COMP_WORDS[@]:0:COMP_CWORD}" "$word" 2>/dev/null) || return 0
  # Apart, for bash 3.2 reads quotes within quotes in its own way.
  rest=${answer#*["$end "]}
  case $answer in
    values"$end"*)
      while IFS='' read -r line; do
        COMPREPLY+=("${line#"$head"}")
      done <<<"$rest"
      ;;
    'files 0') compopt -o default 2>/dev/null ;;
    'folders 0') compopt -o dirnames 2>/dev/null ;;
    'command '*)
      if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$rest"
      elif declare -F _command_offset >/dev/null; then
        _command_offset "$rest"
      elif [[ $rest != "$COMP_CWORD" ]]; then
        compopt -o default 2>/dev/null
      else
        while IFS='' read -r line; do
          COMPREPLY+=("$line")
        done <<<"$(compgen -c -- "$2" | sort -u)"
      fi
      ;;
  esac
  return 0
}

# The order is silo's, where bash (4.4) leaves it. Older ones complete file names where silo has nothing to say.
complete -o nosort -F _silo silo 2>/dev/null || complete -o default -F _silo silo
