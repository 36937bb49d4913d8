
# nushell reports a move at the next prompt only. So that what follows it on its line is in the folder's own instance,
# `cd` is a command that looks; what was there before, nushell's own or the user's, goes on behind it.
alias __silo_cd = cd
def --env cd [
    --physical (-P) # use the physical directory structure; resolve symbolic links before processing ..
    path?: directory # the path to change to
    ...more: string # more words, for the `cd` of zoxide
]: nothing -> nothing {
    if ($more | is-not-empty) {
        __zoxide_z $path ...$more
    } else {
        # A mistake is shown where it was typed.
        let refused = try {
            match [$path $physical] {
                [null false] => { __silo_cd }
                [null true] => { __silo_cd -P }
                [_ false] => { __silo_cd $path }
                _ => { __silo_cd -P $path }
            }
            null
        } catch {|error| $error.msg }
        if $refused != null {
            error make {msg: $refused, label: {text: $refused, span: (metadata $path).span}, help: $"'($path)' is not a folder to go to"}
        }
    }
    __silo_hook
}
