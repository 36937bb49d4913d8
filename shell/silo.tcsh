# silo shell hook for tcsh 6.24 and newer. Load it with: eval "`silo hook tcsh`"
#
# tcsh has no functions, and its aliases no loops: `silo hook tcsh` writes this file into silo's state folder, and the
# aliases `precmd` and `cwdcmd` source it. A prompt or `cd` where nothing changed runs builtins only (docs/decisions.md, D7),
# and no more lines than these, for tcsh reads each of them again: what a change needs is in the file beside this one. tcsh cannot
# read a line without a program: instead of the generation, it compares when and where the stamp was written, and how long it is,
# for a place may be used again within a second.

# A shell that was there before these files were written again lacks what they need.
if ( ! $?__silo_word && -r "$__silo_hook:h:q/change.tcsh" ) source "$__silo_hook:h:q/change.tcsh"
set __silo_dir = "$cwd:q"
if ( "$__silo_dir:q" =~ / ) set __silo_dir = ''
while ( "$__silo_dir:q" != '' && ! -f "$__silo_dir:q/silo.toml" )
  set __silo_dir = "$__silo_dir:h:q"
end
set __silo_file = "$__silo_dir:q/silo.toml"
if ( -f "$__silo_file:q" ) set __silo_dir = "$__silo_dir:q/"
set __silo_do = ''
if ( "$__silo_dir:q" != "$__silo_root:q" ) then
  set __silo_do = cd
else if ( "$__silo_stamp:q" != '' ) then
  if ( "$__silo_gen:q" == again || -I "$__silo_stamp:q" != $__silo_was[1] || -C "$__silo_stamp:q" != $__silo_was[2] || -Z "$__silo_stamp:q" != $__silo_was[6] || -I "$__silo_file:q" != $__silo_was[3] || -M "$__silo_file:q" != $__silo_was[4] || -Z "$__silo_file:q" != $__silo_was[5] ) set __silo_do = ask
endif
if ( ( "$__silo_do$path:q" != "$__silo_path:q" || $?__SILO_UNDO && -e "$__silo_word:q" ) && -r "$__silo_hook:h:q/change.tcsh" ) source "$__silo_hook:h:q/change.tcsh"
