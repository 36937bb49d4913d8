# silo's completions for fish 3.1 and newer. Load them with: silo completions fish | source
#
# silo itself knows what fits (`silo __complete`); this hands it the words up to the cursor, and what is better
# completed by the shell back to the shell.

function __silo_complete --description 'Complete a command line of silo'
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l word (commandline --current-token --cut-at-cursor)
    set -l lines (command silo __complete fish $words "$word" 2>/dev/null)
    or return
    set -l head (string split ' ' -- $lines[1])
    switch "$head[1]"
        case values
            string join \n -- $lines[2..-1]
        case files folders
            set -l before (string sub --length $head[2] -- "$word")
            set -l path (string sub --start (math $head[2] + 1) -- "$word")
            set -l paths
            if test $head[1] = files
                set paths (__fish_complete_path "$path")
            else
                set paths (__fish_complete_directories "$path" '')
            end
            for path in $paths
                printf '%s\n' "$before$path"
            end
        case command
            set -l rest $words[(math $head[2] + 1)..-1]
            complete --do-complete=(string join ' ' -- (string escape -- $rest) "$word")
    end
end

complete --command silo --no-files --keep-order --arguments '(__silo_complete)'
