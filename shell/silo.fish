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
# Tells `silo doctor`, a child, that this very shell has the hook, and whose.
set -gx __SILO_HOOK "$fish_pid @VERSION@ $__silo_bin"
# The folder last looked from, and it and its parents, nearest first.
set -g __silo_pwd ''
set -g __silo_up
# fish learned `test -nt` late; without it an edit of silo.toml is noticed at the next `cd`: two paths are never equal.
set -g __silo_newer =
set -g __silo_older =
test / -nt /nonexistent/silo 2>/dev/null; and set -g __silo_newer -nt; and set -g __silo_older -ot

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
            __silo_run; and set -g __silo_root $root
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

# The parents of the current folder, once for each `cd`: splitting costs more than looking. Each ends in a slash, so
# that none ends in a newline, which a command substitution would take away.
function __silo_climb
    set -g __silo_pwd $PWD
    set -g __silo_up /
    set -l dir /
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

# Lets silo say what to change. When silo is gone (an upgrade, an unmounted disk) the prompt goes on without it.
function __silo_run
    test -x "$__silo_bin"; or return 1
    # What a function exports for itself alone hides the shell's own; here is a copy of it.
    set -l hidden (set --names --local --export)
    test -z "$hidden"; or set --erase --local $hidden
    set -l answer ("$__silo_bin" export fish --seen "$__silo_gen")
    # Silo has answered, unless it could not be started or a signal ended it.
    test $status -lt 126; or return
    __silo_marked $answer
    set -g __silo_path "$PATH"
    # A readonly variable may have made it fail, and `set` leaves the status as it was.
    return 0
end

# Evaluates, of the lines that arrived, what silo marked: a program around silo may have added to it. Each ends as a command
# does, and holds no newline.
function __silo_marked
    # Usually nothing was added, and the marks themselves do no harm.
    if test "$argv[2]" = "set -l __silo_text 'begin';" -a "$argv[-1]" = "set -l __silo_text 'end';"
        eval "$argv[2..-1]"
        return
    end
    set -l from (contains --index -- "set -l __silo_text 'begin';" $argv); or return
    set -l to (contains --index -- "set -l __silo_text 'end';" $argv); or return
    eval "$argv[$from..$to]"
end

# Sets aside global variables that silo is about to set: whether one is exported, and a list, no environment shows.
function __silo_keep
    # `set -q` counts those that are not set, and one more, up to 255: usually that is all of them.
    set -qg $argv __silo_none
    set -q argv[$status]; or test $__silo_kept -ne 0; or return 0
    for name in $argv
        set -l was __silo_was_$name
        __silo_drop $was
        set -qg $name; or continue
        set -l how --unexport
        set -qgx $name; and set how --export
        set -g $was $how $$name
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
            set -g $value[1] $name $value[2..-1]
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
    __silo_marked $answer
    set -g __silo_off $__silo_root
end
