# silo shell hook for Elvish 0.19 and newer. Load it with: eval (silo hook elvish | slurp)
#
# A prompt or `cd` where nothing changed runs builtins only (docs/decisions.md, D7): it looks for silo.toml in this folder and above,
# and whether the stamp silo keeps for that project is still there. Elvish has no times of files, so it compares what
# silo.toml says. Only a difference runs `silo export elvish`.

use path
use str

var silo = @SILO@
# What this shell last acted on; no variables of the environment, so that a shell inside a shell looks for itself.
var root stamp gen = '?' '' ''
# Tells `silo doctor`, a child, that this very shell has the hook, and whose.
set-env __SILO_HOOK $pid' @VERSION@ '$silo
# This folder and its parents, nearest first; where silo.toml was found among them, with which PATH; whether there was a
# stamp, and what silo.toml said. And the folder of the instance that was left last.
var up found said left = [] [] [] ''

# A plain file, links followed: a pipe would hold the prompt. The builtin moved from `path:` to `os:` in Elvish 0.20.
var is-file~ = (try {
  eval 'use os; put {|file| os:is-regular &follow-symlink=$true $file }'
} catch _ {
  put {|file| path:is-regular &follow-symlink=$true $file }
})

# What a file says. No more is read than silo itself would: a file may be as large as a disk. Elvish before 0.20 cannot tell.
var text~ = (try {
  eval 'use os; put {|file|
    if (> (os:stat &follow-symlink=$true $file)[size] 1048576) { put "" } else { slurp < $file }
  }'
} catch _ {
  put {|file| slurp < $file }
})

fn climb {|dir|
  put $dir
  if (not (has-value [/ .] $dir)) { climb (path:dir $dir) }
}

fn find { each {|dir| is-file $dir/silo.toml } $up }

# The stamp's name holds the generation: with another one it is gone. Without one the hook waits for it.
fn read {
  is-file $stamp
  try { text $root/silo.toml } catch _ { put '' }
}

# Of what arrived only what silo marked: a program around silo may have added to it.
fn marked {|text|
  var from to = (str:index $text '# "begin"') (str:last-index $text '# "end"')
  if (<= 0 $from $to) { put $text[$from..$to] } else { put 'put "" ""' }
}

# Lets silo say what to change. When silo is gone (an upgrade, an unmounted disk) the prompt goes on without it. The root
# is taken note of only once silo has answered: a Ctrl-C or a kill before leaves the question to the next prompt.
fn ask {|dir|
  set found = []
  if (not (is-file $silo)) { return }
  # Read before silo does, so that an edit in between shows at the next prompt.
  var before = (if (eq $dir '') { put '' } else { try { text $dir/silo.toml } catch _ { put '' } })
  var answer = (try { (external $silo) export elvish --seen $gen | slurp } catch _ { put $nil })
  if (eq $answer $nil) { return }
  set root = $dir
  set stamp gen = (eval (marked $answer))
  set said = [(not-eq $gen '') $before]
  set found = [$pwd $E:PATH (find)]
}

# Whether PATH has what it should not, or lacks what it should have: a program that puts back one of its own (direnv, a venv)
# takes this instance's gates away, or brings those of one that was left.
fn strayed {
  var here list = (path:dir $stamp) ':'$E:PATH':'
  or (and (str:contains $E:__SILO_UNDO ';+/') (not (str:contains $list :$here'/gates:'))) ^
    (and (not (has-value ['' $here] $left)) (str:contains $list :$left'/gates:'))
}

fn compare {
  if (and (not-eq $stamp '') (not-eq $said [(read)])) { ask $root }
}

# `cd` says where to. Each `( )` costs Elvish a pipe, so that everything is compared at once.
var hook = {|@_| # __silo_hook
  if (not-eq $found [$pwd $E:PATH (find)]) {
    set up = [(climb $pwd)]
    var dir = ''
    for one $up {
      if (is-file $one/silo.toml) {
        set dir = $one
        break
      }
    }
    if (eq $dir $root) {
      set found = [$pwd $E:PATH (find)]
      if (strayed) { ask $root } else { compare }
    } else {
      if (not-eq $stamp '') { set left = (path:dir $stamp) }
      set stamp gen = '' ''
      if (or (not-eq $dir '') (has-env __SILO_UNDO)) {
        ask $dir
      } else {
        set root found = '' [$pwd $E:PATH (find)]
      }
    }
  } else {
    compare
  }
}

# Whether the hook is among these.
fn called {|hooks|
  has-value [(each {|one| try { str:contains $one[def] __silo_hook } catch _ { put $false } } $hooks)] $true
}

# `silo deactivate` changes this very shell, which no program can: without a stamp to compare, it is off until the folder is
# left. Every other call is the program's: that of PATH, or else the hook's own.
fn of-shell {|&lost='' @args|
  if (and (== (count $args) 2) (eq $args[0] cd) (not (str:has-prefix $args[1] -))) {
    # Nor can a program go somewhere in this shell.
    cd (str:trim-right ((external $silo) cd --print -- $args[1] | slurp) "\n")
    return
  }
  if (or (not-eq $args [deactivate]) (not (has-env __SILO_UNDO))) {
    # Only the shell knows who has taken the hook's place since, and silo tells.
    if (not (called $after-chdir)) { set lost = after-chdir }
    if (not-eq $lost '') { set-env __SILO_UNCALLED $lost }
    try {
      if (or (has-external silo) (not (is-file $silo))) { e:silo $@args } else { (external $silo) $@args }
    } finally {
      unset-env __SILO_UNCALLED
    }
    return
  }
  var answer = ((external $silo) export elvish --seen off | slurp)
  set stamp gen left = '' '' ''
  nop (eval (marked $answer))
}

# Once each, and first: what comes behind may build the prompt from the variables. after-chdir makes `cd x; cmd` work.
fn with-hook {|others|
  put [$hook (each {|other|
    if (not (try { str:contains $other[def] __silo_hook } catch _ { put $false })) { put $other }
  } $others)]
}
# Without its line editor, as in a script, Elvish has no `edit:`.
try {
  eval &ns=(ns [&with-hook~=$with-hook~ &of-shell~=$of-shell~ &called~=$called~]) '
    set edit:before-readline = (with-hook $edit:before-readline)
    edit:add-var silo~ {|@args|
      of-shell &lost=(if (called $edit:before-readline) { put "" } else { put edit:before-readline }) $@args
    }'
} catch _ { }
set after-chdir = (with-hook [(each {|other| put $other } $after-chdir)])
