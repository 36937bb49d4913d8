# silo shell hook for fish 3.1 and newer. Load it with: silo hook fish | source
#
# A prompt or `cd` where nothing changed runs builtins only (docs/decisions.md, D7): it looks for the nearest silo.toml
# upward, and compares it with the stamp silo keeps for that project. Only a difference runs `silo export fish`.

# What this shell last acted on; not exported, so that a shell inside a shell looks for itself.
set -g __silo_bin @SILO@
set -g __silo_root '?'
set -g __silo_stamp ''
set -g __silo_gen ''
set -g __silo_off ''
# PATH as it was last seen, and the stamp of the instance that was left last.
set -g __silo_path ''
set -g __silo_left ''
# How many variables were set aside, see __silo_keep.
set -q __silo_kept; or set -g __silo_kept 0
# Moves that were made, and what silo answered to some, each with what was asked and what it goes by, see __silo_recall.
set -g __silo_moves
set -g __silo_questions
set -g __silo_numbers
set -g __silo_free
# What silo goes by of the environment, other than the variables it sets.
set -g __silo_asked HOME XDG_STATE_HOME XDG_DATA_HOME XDG_CONFIG_HOME SILO_LOG SILO_PROFILE PATH __SILO_UNDO
# Tells `silo doctor`, a child, that this very shell has the hook, and whose.
set -gx __SILO_HOOK "$fish_pid @VERSION@ $__silo_bin"
# The folder last looked from, and it and its parents, nearest first.
set -g __silo_pwd ''
set -g __silo_up
# fish learned `test -nt` late; without it an edit of silo.toml is noticed at the next `cd`: two paths are never equal.
set -g __silo_newer =
set -g __silo_older =
test / -nt /nonexistent/silo 2>/dev/null; and set -g __silo_newer -nt; and set -g __silo_older -ot

# fish learned late that a named group of a match is a variable, which a command substitution costs ten times as much to set.
string match --quiet --regex '(?<__silo_names_groups>.)' x

# The PWD event makes `cd x; and cmd` work; it does not fire at shell start, so the prompt event is needed too.
function __silo_hook --on-event fish_prompt --on-variable PWD --description 'Activate the silo instance of this folder'
    # The usual prompt, at the root with nothing changed, is one test: a builtin costs more than the files it looks at.
    set -l toml "$__silo_root"silo.toml
    if test "$PWD/" = "$__silo_root" -a "$PATH" = "$__silo_path" -a -n "$__silo_gen" -a -f "$__silo_stamp" -a -f "$toml" -a ! "$toml" $__silo_newer "$__silo_stamp" -a ! "$toml" $__silo_older "$__silo_stamp"
        return
    end
    if test "$PWD" != "$__silo_pwd"
        __silo_climb
    end
    set -l root ''
    for dir in $__silo_up
        if test -f "$dir"silo.toml
            set root $dir
            break
        end
    end
    if test -n "$__silo_off" -a "$root" = "$__silo_off"
        return
    else if test "$root" != "$__silo_root"
        if test -n "$__silo_stamp"
            set -g __silo_left $__silo_stamp
        end
        set -g __silo_stamp ''
        set -g __silo_gen ''
        set -g __silo_off ''
        if test -n "$root"; or set -q __SILO_UNDO
            # Taken note of only once silo has answered: a Ctrl-C before leaves the question to the next prompt.
            __silo_run "$root"; and set -g __silo_root $root
        else
            set -g __silo_root ''
        end
    else if test "$PATH" != "$__silo_path"; and __silo_strayed
        __silo_run
    else if test -n "$__silo_stamp"
        # The stamp's name holds the generation: with another one it is gone. Without a generation it waits for one.
        if test -f "$__silo_stamp" -a -n "$__silo_gen"
            if test "$toml" $__silo_newer "$__silo_stamp" -o "$toml" $__silo_older "$__silo_stamp"
                __silo_run
            end
        else if test -f "$__silo_stamp" -o -n "$__silo_gen"
            __silo_run
        end
    end
end

# The folder of gates beside a stamp.
function __silo_gates --argument-names stamp
    string replace --regex '[^/]*\z' gates -- "$stamp" | string collect
end

# A program that puts back a PATH of its own (direnv, a venv) takes this instance's gates away, or brings those of one that
# was left. Each PATH is looked at once.
function __silo_strayed
    set -g __silo_path "$PATH"
    set -l here (__silo_gates "$__silo_stamp")
    if string match --quiet '*;+/*' -- "$__SILO_UNDO"; and not contains -- "$here" $PATH
        return 0
    end
    test -n "$__silo_left" -a "$__silo_left" != "$__silo_stamp"; and contains -- (__silo_gates "$__silo_left") $PATH
end

# The current folder and its parents, once for each `cd`: splitting costs more than looking. Each ends in a slash.
function __silo_climb
    set -g __silo_pwd $PWD
    set -g __silo_up /
    if set -q __silo_names_groups
        set -l __silo_above $PWD/
        test $PWD = /; or set -g __silo_up $__silo_above
        while string match --quiet --regex '(?s)^(?<__silo_above>.*/)[^/]+/$' -- $__silo_above
            set -ga __silo_up $__silo_above
        end
        return
    end
    set -l dir /
    # No folder ends in a newline, which a command substitution would take away.
    if string match --quiet --entire \n -- "$PWD"
        for part in (string replace --all \n \x1f -- "$PWD" | string split --no-empty /)
            set dir $dir(string replace --all \x1f \n -- $part/ | string collect)
            set -g __silo_up $dir $__silo_up
        end
        return
    end
    for part in (string split --no-empty / -- "$PWD")
        set dir $dir$part/
        set -g __silo_up $dir $__silo_up
    end
end

# Lets silo say what to change. When silo is gone (an upgrade, an unmounted disk) the prompt goes on without it. With an argument
# the shell has moved to that root, or out of every one.
function __silo_run
    test -x "$__silo_bin"; or return 1
    set -g __silo_say '?'
    set -e __silo_question
    set -g __silo_number
    if set -q argv[1]; and test $__silo_kept -eq 0 -a $__silo_newer = -nt
        __silo_recall $argv
        if test "$__silo_say" != '?'
            set -g __silo_path "$PATH"
            test -z "$__silo_say"; or printf '%s\n' $__silo_say >&2
            return 0
        end
    end
    # What a function exports for itself alone hides the shell's own; here is a copy of it.
    set -l hidden (set --names --local --export)
    test -z "$hidden"; or set --erase --local $hidden
    set -l answer ("$__silo_bin" export fish --seen "$__silo_gen")
    # Silo has answered, unless it could not be started or a signal ended it.
    test $status -lt 126; or return
    test -z "$hidden"; or set -e __silo_question
    __silo_marked $answer
    set -g __silo_path "$PATH"
    # A readonly variable may have made it fail, and `set` leaves the status as it was.
    return 0
end

# Gives the answer that silo gave before to the same move, where everything it goes by is as it was (docs/decisions.md, D119): then
# it sets last what is to be said. From the second time on an answer is kept: most moves are made once. Nothing here is a command
# substitution, which costs as much as ten other commands.
function __silo_recall
    # `set -q` counts those that are not set, up to 255.
    set -ql $__silo_asked
    # A folder that was moved or removed under the shell has another name for silo than `PWD`.
    test $status -eq 8 -a "$PWD" -ef .; or return
    set -l __silo_move "$__silo_root|"
    test -z "$argv"; or set __silo_move "$__silo_move$PWD"
    if not contains -- $__silo_move $__silo_moves
        set -q __silo_moves[64]; and set -g __silo_moves
        set -ga __silo_moves $__silo_move
        return
    end
    # Silo sees of these what is exported.
    set -qx $__silo_asked
    set -g __silo_question $status\n$__silo_move\n"$HOME"\n"$XDG_STATE_HOME"\n"$XDG_DATA_HOME"\n"$XDG_CONFIG_HOME"\n"$SILO_LOG"\n"$SILO_PROFILE"\n"$PATH"\n"$__SILO_UNDO"
    for number in $__silo_numbers
        if test $__silo_question = $__silo_questions[$number]
            set -g __silo_number $number
            break
        end
    end
    set -q __silo_number[1]; or return
    set -l __silo_facts __silo_facts_$__silo_number
    set __silo_facts $$__silo_facts
    set -q __silo_facts[1]; or return
    if test -n "$argv"
        set -l __silo_toml "$argv"silo.toml
        set -l __silo_lock "$argv".silo.lock
        set -l __silo_time $__silo_facts[2]
        test -f "$__silo_facts[1]" -a ! "$__silo_toml" -nt "$__silo_facts[1]" -a ! "$__silo_toml" -ot "$__silo_facts[1]" -a "$argv" -ef "$__silo_facts[3]" -a -f "$__silo_facts[4]" -a -f "$__silo_lock" -a -f "$__silo_time" -a ! "$__silo_lock" -nt "$__silo_time" -a ! "$__silo_lock" -ot "$__silo_time"
        or return
    end
    # None of the new ones is set, and those that were silo's are what they were.
    set -l __silo_new __silo_new_$__silo_number
    set __silo_new $$__silo_new
    set -q $__silo_new __silo_none
    set -q __silo_new[$status]; and return
    set -l __silo_old __silo_old_$__silo_number
    set __silo_old $$__silo_old
    set -ql $__silo_old __silo_none
    set -q __silo_old[$status]; and return
    set -qgx $__silo_old __silo_none
    test $status -eq 1; or return
    set -l __silo_value $$__silo_old\n
    test "$__silo_value" = "$__silo_facts[5]"; and __silo_answer_$__silo_number
end

# Does what silo answers, as a function that is kept with all it goes by where it may be called again; a few.
function __silo_learn
    if not set -q __silo_number[1]
        if not set -q __silo_free[1]
            set -g __silo_questions
            set -g __silo_numbers
            set -g __silo_free 1 2 3 4 5 6 7 8 9 10 11 12
        end
        set -g __silo_number $__silo_free[1]
    end
    set -g __silo_old
    set -g __silo_new
    set -g __silo_value
    # Until all of it is there again nothing is.
    set -g __silo_facts_$__silo_number
    eval "function __silo_answer_$__silo_number; $argv[2..-1] end"
    __silo_answer_$__silo_number
    test "$__silo_say" = '?'; and return
    set -g __silo_old_$__silo_number $__silo_old
    set -g __silo_new_$__silo_number $__silo_new
    string match --quiet --regex '(?s)^(?<__silo_folder>.*/)' -- "$__silo_stamp"
    set -g __silo_facts_$__silo_number "$__silo_stamp" "$__silo_folder"lockfile-time "$SILO_ROOT" "$SILO_ENV_FILE" "$__silo_value"
    if test "$__silo_number" = "$__silo_free[1]"
        set -e __silo_free[1]
        set -ga __silo_questions $__silo_question
        set -ga __silo_numbers $__silo_number
    end
end

# Notes how the variables are that were silo's, just before they change. One that is not exported is not what was given.
function __silo_note
    set -g __silo_old $argv
    # The newline keeps two values apart that are compared as one.
    set -g __silo_value $$argv\n
    set -qgx $argv __silo_none
    test $status -eq 1; or set -e __silo_question
end

# Evaluates, of the lines that arrived, what silo marked: a program around silo may have added to it. Each ends as a command
# does, and holds no newline.
function __silo_marked
    # Usually nothing was added, and the marks themselves do no harm. Only then is it an answer to be kept.
    if test "$argv[2]" = "set -l __silo_text 'begin';" -a "$argv[-1]" = "set -l __silo_text 'end';"
        if set -q __silo_question
            __silo_learn $argv
        else
            eval "$argv[2..-1]"
        end
        return
    end
    set -e __silo_question
    set -l from (contains --index -- "set -l __silo_text 'begin';" $argv); or return
    set -l to (contains --index -- "set -l __silo_text 'end';" $argv); or return
    eval "$argv[$from..$to]"
end

# Sets aside global variables that silo is about to set: whether one is exported, and a list, no environment shows.
function __silo_keep
    set -g __silo_new $argv
    # `set -q` counts those that are not set, and one more, up to 255: usually that is all of them.
    set -qg $argv __silo_none
    set -q argv[$status]; or test $__silo_kept -ne 0; or return 0
    for name in $argv
        set -l was __silo_was_$name
        __silo_drop $was
        set -qg $name; or continue
        set -l how --unexport
        set -qgx $name; and set how --export
        set -l kind --unpath
        set --show $name | string match --quiet '*, a path variable *'; and set kind --path
        set -g $was $how $kind $$name
        set -eg $name
        set -g __silo_kept (math $__silo_kept + 1)
    end
end

# Brings them back. What a universal variable said is its own again where no global one hides it.
function __silo_return
    set -qU $argv __silo_none
    set -q argv[$status]; or test $__silo_kept -ne 0; or return 0
    for name in $argv
        set -l was __silo_was_$name
        if set -qg $was
            set -l value $$was
            set -eg $name
            set -g $value[1] $value[2] $name $value[3..-1]
            __silo_drop $was
        else if set -qU $name
            set -eg $name
        end
    end
end

# Forgets one.
function __silo_drop --argument-names was
    if set -qg $was
        set -eg $was
        set -g __silo_kept (math $__silo_kept - 1)
    end
end

# `silo deactivate` changes this very shell, which no program can: it is off until the folder is left. Every other
# call is the program's: that of PATH, or else the hook's own. A function that was copied into another shell knows that it is not in this one.
function silo --description 'Isolated local development environments'
    if test (count $argv) -eq 2 -a "$argv[1]" = cd; and set -q __silo_bin; and not string match -q -- '-*' "$argv[2]"
        # Nor can a program go somewhere in this shell.
        set -l to ("$__silo_bin" cd --print -- "$argv[2]"); or return
        cd (string join \n -- $to | string collect)
        return
    end
    if test (count $argv) -ne 1 -o "$argv[1]" != deactivate; or not set -q __SILO_UNDO; or not set -q __silo_bin
        set -l own (string replace --regex '^\S* \S* ' '' -- "$__SILO_HOOK" | string collect)
        # Only the shell knows of it, and silo tells.
        set -q __silo_bin; and not functions -q __silo_hook; and set -lx __SILO_UNCALLED 'functions --erase __silo_hook'
        if test -f "$own" -a -x "$own"; and not command -sq silo
            "$own" $argv
        else
            command silo $argv
        end
        return
    end
    set -l answer ("$__silo_bin" export fish --seen off); or return
    set -e __silo_question
    __silo_marked $answer
    set -g __silo_off $__silo_root
end
