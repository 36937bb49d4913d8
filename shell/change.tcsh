# What silo's shell hook for tcsh does seldom: it is loaded, or something has changed. It lies beside the hook, which sources
# it; see there.

if ( ! $?__silo_word ) then
  # Where `silo deactivate` leaves word for this shell, which no program can change.
  set __silo_word = "$__silo_hook:h:q/off.$$"
  # PATH as it was last seen, and the gates of the instance that was left last.
  set __silo_path = ''
  set __silo_left = ''
  set __silo_do = ''
endif
if ( $?__silo_load ) then
  unset __silo_load
  # What this shell last acted on; shell variables are not exported, so that a shell inside a shell looks for itself.
  set __silo_root = none
  set __silo_stamp = ''
  set __silo_gen = ''
  # In single quotes tcsh takes no newline; what silo prints names this one.
  set __silo_nl = '\
'
  # Within backquotes only an alias keeps its quotes.
  alias __silo_ask '"$__silo_bin:q" export tcsh --seen "$__silo_gen:q"'
  # Once, and first: what comes behind may build the prompt from the variables. Scripts read .tcshrc too: not in them.
  if ( $?prompt ) then
    # Tells `silo doctor`, a child, that this very shell has the hook, and whose. Until something calls it, with a mark.
    setenv __SILO_HOOK "~$$ @VERSION@ $__silo_bin:q"
    foreach __silo_event ( precmd cwdcmd )
      set __silo_old = "`alias $__silo_event`"
      if ( "$__silo_old:q" !~ *__silo_hook* ) then
        if ( "$__silo_old:q" != '' ) set __silo_old = "; $__silo_old:q"
        set __silo_new = 'set __silo_status = $status; if ( -r "$__silo_hook:q" ) source "$__silo_hook:q"'
        alias $__silo_event "$__silo_new:q"'; set status = $__silo_status'"$__silo_old:q"
      endif
    end
    # What is typed finds a silo that is in no folder of PATH, too.
    set __silo_new = ''
    foreach __silo_one ( $path:q )
      if ( -f "$__silo_one:q/silo" && -x "$__silo_one:q/silo" ) set __silo_new = found
    end
    if ( "$__silo_new`alias silo`" == '' ) alias silo '"$__silo_bin:q"'
    unset __silo_event __silo_old __silo_new
  endif
else
  if ( "$__silo_root:q" == none && $?__SILO_HOOK ) setenv __SILO_HOOK "$$ @VERSION@ $__silo_bin:q"
  # Off until the folder is left: without a stamp there is nothing to compare.
  if ( $?__SILO_UNDO && -e "$__silo_word:q" && -x "$__silo_bin:q" ) then
    set __silo_gen = off
    set __silo_text = ( "`__silo_ask`" )
    # Of what arrived only silo's line: a program around silo may have added to it.
    foreach __silo_one ( $__silo_text:q )
      if ( "$__silo_one:q" =~ 'set __silo_stamp = *' ) eval $__silo_one:q
    end
    set __silo_left = ''
    set __silo_do = ''
  endif
  # A program that puts back a PATH of its own (direnv, a venv) takes this instance's gates away, or brings those of one that
  # was left. Each PATH is looked at once.
  if ( "$path:q" != "$__silo_path:q" ) then
    set __silo_path = "$path:q"
    set __silo_here = "$__silo_stamp:h:q/gates"
    set __silo_astray = 0
    if ( $?__SILO_UNDO ) then
      if ( "$__SILO_UNDO:q" =~ '*;+/*' ) set __silo_astray = 1
    endif
    foreach __silo_one ( $path:q )
      if ( "$__silo_one:q" == "$__silo_here:q" ) set __silo_astray = 0
    end
    foreach __silo_one ( $path:q )
      if ( "$__silo_one:q" == "$__silo_left:q" && "$__silo_left:q" != "$__silo_here:q" ) set __silo_astray = 1
    end
    if ( $__silo_astray ) set __silo_do = ask
  endif
  if ( "$__silo_dir:q" != "$__silo_root:q" ) then
    if ( "$__silo_stamp:q" != '' ) set __silo_left = "$__silo_stamp:h:q/gates"
    set __silo_stamp = ''
    set __silo_gen = ''
    if ( "$__silo_dir:q" != '' || $?__SILO_UNDO ) then
      set __silo_do = ask
    else
      set __silo_root = ''
      set __silo_do = ''
    endif
  endif
  # Lets silo say what to change. When silo is gone (an upgrade, an unmounted disk) the prompt goes on without it. The
  # root is taken note of only once silo has answered: a Ctrl-C or a kill before leaves the question to the next prompt.
  if ( "$__silo_do" == ask && -x "$__silo_bin:q" ) then
    # Silo reports the stamp its answer is from, which may be another by now; of silo.toml as it is now, so that an edit
    # while silo reads it shows at the next prompt.
    set __silo_was = ( 0 0 0 0 0 0 )
    @ __silo_was[3] = -I "$__silo_file:q"
    @ __silo_was[4] = -M "$__silo_file:q"
    @ __silo_was[5] = -Z "$__silo_file:q"
    set __silo_at = '0 0 0'
    set __silo_text = ( "`__silo_ask`" )
    if ( $status < 126 ) then
      set __silo_root = "$__silo_dir:q"
      foreach __silo_one ( $__silo_text:q )
        if ( "$__silo_one:q" =~ 'set __silo_stamp = *' ) eval $__silo_one:q
      end
      set __silo_path = "$path:q"
      set __silo_at = ( $__silo_at )
      set __silo_was[1] = $__silo_at[1]
      set __silo_was[2] = $__silo_at[2]
      set __silo_was[6] = $__silo_at[3]
    endif
  endif
endif
