# silo shell hook for nushell 0.101 and newer. Load it with a line in config.nu:
#   do {|file| mkdir ($file | path dirname); silo hook nu | save -f $'($file).($nu.pid)'; mv -f $'($file).($nu.pid)' $file } ($nu.data-dir | path join vendor/autoload/silo.nu)
#
# A prompt where nothing changed runs builtins only (docs/decisions.md, D7): it looks for the nearest silo.toml upward, and whether the
# stamp silo keeps for that project is still there. The time of a file costs nushell ten times what its text does, so it
# compares that. Only a difference runs `silo export nu`.

# What this shell last acted on; a record is not exported, so that a shell inside a shell looks for itself.
# Of PATH what was last seen is kept, and the folder of the instance that was left last.
$env.__silo = {bin: @SILO@, root: '?', stamp: '', gen: '', text: '', path: [], left: '', kept: {}}
# Tells `silo doctor`, a child, that this very shell has the hook, and whose.
# Until something calls it, with a mark.
$env.__SILO_HOOK = $'~($nu.pid) @VERSION@ ($env.__silo.bin)'

# A plain file, links followed: a pipe would hold the prompt.
def __silo_is_file [file: string]: nothing -> bool {
    match ($file | path type) {
        file => true
        symlink => (($file | path expand | path type) == file)
        _ => false
    }
}

# What tells one text of a file from another, and nothing where it cannot be read. No more is read than silo itself would.
def __silo_text [file: string]: nothing -> string {
    try { open --raw $file | first 1048577 | hash md5 } catch { '' }
}

def --env __silo_hook [] {
    let now = $env.__silo
    mut dir = $env.PWD
    while not (__silo_is_file $'($dir)/silo.toml') {
        if $dir == '/' {
            $dir = ''
            break
        }
        $dir = ($dir | path dirname)
    }
    if $dir != $now.root {
        if $now.root == '?' { $env.__SILO_HOOK = ($env.__SILO_HOOK | str trim --left --char '~') }
        let left = if $now.stamp == '' { $now.left } else { $now.stamp | path dirname }
        $env.__silo = ($now | merge {stamp: '', gen: '', left: $left})
        if $dir != '' or '__SILO_UNDO' in $env {
            __silo_run $dir
        } else {
            $env.__silo.root = ''
        }
        return
    }
    if $env.PATH? != $now.path {
        $env.__silo.path = $env.PATH?
        if (__silo_strayed $now) {
            __silo_run $dir
            return
        }
    }
    if $now.stamp != '' {
        # The stamp's name holds the generation: with another one it is gone. Without one the hook waits for it.
        let gone = (__silo_is_file $now.stamp) == ($now.gen == '')
        if $gone or (__silo_text $'($dir)/silo.toml') != $now.text {
            __silo_run $dir
        }
    }
}

# A program that puts back a PATH of its own (direnv, a venv) takes this instance's gates away, or brings those of one that
# was left. Each PATH is looked at once.
def __silo_strayed [now: record]: nothing -> bool {
    let dirs = $env.PATH? | default []
    let here = if $now.stamp == '' { '' } else { $now.stamp | path dirname }
    let lost = ($env.__SILO_UNDO? | default '' | str contains ';+/') and $'($here)/gates' not-in $dirs
    $lost or ($now.left != '' and $now.left != $here and $'($now.left)/gates' in $dirs)
}

# Lets silo say what to change. When silo is gone (an upgrade, an unmounted disk) the prompt goes on without it. The root
# is taken note of only once silo has answered: a Ctrl-C or a kill before leaves the question to the next prompt.
def --env __silo_run [dir: string] {
    let now = $env.__silo
    if not (__silo_is_file $now.bin) { return }
    let code = $env.LAST_EXIT_CODE?
    # Read before silo does, so that an edit in between shows at the next prompt.
    let text = if $dir == '' { '' } else { __silo_text $'($dir)/silo.toml' }
    let answer = try { ^$now.bin export nu --seen $now.gen | __silo_marked } catch { null }
    if $code != null { $env.LAST_EXIT_CODE = $code }
    if $answer == null { return }
    $env.__silo = ($now | merge {root: $dir, stamp: $answer.stamp, gen: $answer.gen, text: $text})
    __silo_take $answer
}

# Of what arrived only silo's line: a program around silo may have added to it.
def __silo_marked []: any -> any {
    lines | where {|line| $line starts-with '{"stamp":' } | last | from json
}

def --env __silo_take [answer: record] {
    let kept = $env.__silo.kept
    let looks = $answer.look != '' and ($env | columns | str join ' ') =~ $answer.look
    let now = if $looks { $env } else { {} }
    load-env $answer.set
    hide-env --ignore-errors ...$answer.unset
    if $looks or $kept != {} { __silo_keep $answer $now }
    if 'PATH' in $answer.set { $env.PATH = ($answer.set.PATH | split row (char esep)) }
    $env.__silo.path = $env.PATH?
}

# Sets aside what variables were that silo has set and that are no text, which a program cannot see; and brings it back.
def --env __silo_keep [answer: record, now: record] {
    let kept = $env.__silo.kept
    let back = $answer.back | where {|name| $name in $kept }
    load-env ($back | reduce --fold {} {|name, some| $some | insert $name ($kept | get $name) })
    let keep = $answer.keep | where {|name| $name in $now and ($now | get $name | describe) != string }
    let stays = $kept | columns | where {|name| $name not-in $answer.keep and $name not-in $back }
    let some = $stays | reduce --fold {} {|name, some| $some | insert $name ($kept | get $name) }
    $env.__silo.kept = ($keep | reduce --fold $some {|name, some| $some | insert $name ($now | get $name) })
}

# `silo deactivate` changes this very shell, which no program can: without a stamp to compare, it is off until the folder is
# left. Every other call of silo is a program's; to this one a word behind it, too.
def --env --wrapped "silo deactivate" [...rest: string] {
    let now = $env.__silo
    if '__SILO_UNDO' not-in $env or ($rest | is-not-empty) { return (^silo deactivate ...$rest) }
    let answer = ^$now.bin export nu --seen off | __silo_marked
    $env.__silo = ($now | merge {stamp: '', gen: '', left: ''})
    __silo_take $answer
}

# Nor can a program go somewhere in this shell.
def --env --wrapped "silo cd" [...rest: string] {
    if ($rest | length) != 1 or ($rest.0 | str starts-with '-') { return (^silo cd ...$rest) }
    cd (^$env.__silo.bin cd --print -- $rest.0 | str trim --right --char "\n")
}

# Once each, and first: what comes behind may build the prompt from the variables. At a prompt after `cd`, nushell runs
# the hooks of PWD before those of the prompt.
def __silo_first [hooks: any]: nothing -> list<any> {
    let others = $hooks | default []
    let is_other = {|hook| ($hook | describe) != closure or (view source $hook) !~ __silo_hook }
    $others | where {|hook| do $is_other $hook } | prepend {|| __silo_hook }
}
$env.config.hooks.pre_prompt = (__silo_first $env.config.hooks.pre_prompt?)
$env.config.hooks.env_change = ($env.config.hooks.env_change? | default {} | upsert PWD {|change| __silo_first $change.PWD? })
