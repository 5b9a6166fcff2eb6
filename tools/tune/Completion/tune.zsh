#compdef tune
# Completion of tune's commands, options, operators and their keys in zsh.
# For this shell:   source <(tune completion zsh)
# For every shell:  tune completion zsh > a file _tune in a folder of $fpath

_tune()
{
    local before word line candidate
    word="$PREFIX"
    # The words before the one at the cursor, as they were typed.
    before="tune ${(j: :)words[2,CURRENT-1]}"
    line="${before% } "
    local -a plain keys
    while IFS= read -r candidate; do
        candidate="${candidate%$'\r'}"
        [[ -z "$candidate" ]] && continue
        # Options are offered to whoever begins one; elsewhere names of files may be wanted.
        [[ "$candidate" == -* && "$word" != -* ]] && continue
        [[ "$candidate" == "$word"* ]] || continue
        if [[ "$candidate" == *= ]]; then keys+=("$candidate"); else plain+=("$candidate"); fi
    done < <("${words[1]}" "[suggest:${#line}]" "$line" 2>/dev/null)
    if (( ${#plain} + ${#keys} == 0 )); then
        [[ "$word" == *=* ]] || _files
        return
    fi
    # The value of a key follows at once.
    (( ${#keys} )) && compadd -Q -S '' -a keys
    (( ${#plain} )) && compadd -Q -a plain
    return 0
}

compdef _tune tune
