# Completion of tune's commands, options, operators and their keys in bash.
# For this shell:   source <(tune completion bash)
# For every shell:  tune completion bash > ~/.local/share/bash-completion/completions/tune

_tune()
{
    local before="${COMP_LINE:0:COMP_POINT}" word line candidate
    word="${before##*[[:space:]]}"
    # What may stand in the place of the word is asked for; the program is called as it was typed.
    line="${before%"$word"}"
    line="tune${line#*"$1"}"
    local -a found=()
    while IFS= read -r candidate; do
        candidate="${candidate%$'\r'}"
        # Options are offered to whoever begins one; elsewhere names of files may be wanted.
        [[ "$candidate" == -* && "$word" != -* ]] && continue
        [[ -n "$candidate" && "$candidate" == "$word"* ]] && found+=("$candidate")
    done < <("$1" "[suggest:${#line}]" "$line" 2>/dev/null)
    COMPREPLY=()
    if ((${#found[@]} == 0)); then
        # A key=value pair names no file.
        [[ "$word" == *=* ]] && compopt +o default +o bashdefault 2>/dev/null
        return
    fi
    # bash takes '=' and ':' for ends of words and wants only what comes after the last one.
    local cut="" i
    for ((i = ${#word}; i > 0; i--)); do
        if [[ "$COMP_WORDBREAKS" == *"${word:i-1:1}"* ]]; then
            cut="${word:0:i}"
            break
        fi
    done
    for candidate in "${found[@]}"; do
        COMPREPLY+=("${candidate#"$cut"}")
    done
    # The value of a key follows at once.
    [[ ${#found[@]} -eq 1 && "${found[0]}" == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}

complete -o bashdefault -o default -F _tune tune
